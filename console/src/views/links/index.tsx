/** Share links: the list, a dialog that creates one, and the details of one link. */

import { useLocation, useRoute } from "preact-iso/router";
import { useViewQuery } from "../../view-query";
import { useQuery } from "../../api/query";
import type { ResponseBody } from "../../api/client";
import { useHasScope } from "../../api/session";
import { Field } from "../../components/field";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { Paging } from "../../components/paging";
import { Empty, ProblemNotice } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { TruncatedText, ContentLink, CopyButton, Timestamp } from "../../components/values";
import { absolute, view } from "../../urls";
import { useDebouncedText } from "../../debounced-text";
import { Create } from "./create";
import { LinkDetail } from "./detail";

type Link = ResponseBody<"/share-links">["items"][number];
const PAGE = 50;
const FIELDS = ["contentType", "contentId", "campaignId", "userId"] as const;
const idOf = ({ id }: Link) => id;

function columns(query: Readonly<Record<string, string>>): readonly Column<Link>[] {
  return [
    {
      head: "Link",
      as: "lead",
      cell: ({ id, code, shortUrl }) => (
        <span class="short">
          <a class="row-link" href={view(["links", id], query)}>
            <code>/s/{code}</code>
          </a>
          <span class="above">
            <CopyButton text={absolute(shortUrl)} label={`Copy the address of ${code}`} />
          </span>
        </span>
      ),
    },
    {
      head: "Content",
      as: "line",
      cell: ({ contentType, contentId }) => <ContentLink type={contentType} id={contentId} />,
    },
    { head: "Channel", cell: ({ channelId }) => <TruncatedText text={channelId} /> },
    { head: "Campaign", cell: ({ campaignId }) => <TruncatedText text={campaignId} /> },
    { head: "Owner", cell: ({ userId }) => <TruncatedText text={userId} /> },
    { head: "Created", cell: ({ createdAt }) => <Timestamp at={createdAt} /> },
    {
      head: "Expires",
      cell: ({ expiresAt }) => (expiresAt ? <Timestamp at={expiresAt} /> : <span class="soft none">never</span>),
    },
  ];
}

export function Links() {
  const { params } = useRoute();
  const { route } = useLocation();
  const hasScope = useHasScope();
  const { query, go } = useViewQuery();
  const { data, problem, loading, refetch } = useQuery("/share-links", {
    query: {
      ...Object.fromEntries(FIELDS.map((field) => [field, query["new"] ? null : query[field]?.trim() || null])),
      startingAfter: query["after"] ?? null,
      pageSize: PAGE,
    },
  });
  const list = (fields: Record<string, string | null> = {}) => view("links", { ...query, ...fields });
  const filtered = FIELDS.some((field) => query[field]);
  const mayCreate = hasScope("shares");
  return (
    <Page
      title="Links"
      pageId="links"
      lead={hasScope("admin") ? undefined : "The links that you own."}
      actions={
        mayCreate && (
          <a class="button strong" href={list({ new: "1" })}>
            <Icon name="plus" />
            New link
          </a>
        )
      }
    >
      <Card label="Links">
        <form class="filter-grid four" role="search" onSubmit={(event) => event.preventDefault()}>
          <SearchField label="Content type" name="contentType" value={query["contentType"]} go={go} />
          <SearchField label="Content id" name="contentId" value={query["contentId"]} go={go} />
          <SearchField label="Campaign" name="campaignId" value={query["campaignId"]} go={go} />
          {hasScope("admin") && <SearchField label="Owner" name="userId" value={query["userId"]} go={go} />}
        </form>
        {problem ? (
          <ProblemNotice problem={problem} retry={refetch} />
        ) : data?.items.length === 0 ? (
          <Empty icon="links" title={filtered ? "No link matches" : "No links yet"}>
            {!filtered &&
              "A link is a short address of a content, for one channel and campaign. Creating it counts as a share."}
          </Empty>
        ) : (
          <>
            <Table label="Links" columns={columns(query)} rows={data?.items} id={idOf} stale={loading} />
            {data && (
              <Paging
                first={query["after"] ? list({ after: null }) : null}
                next={data.next ? list({ after: data.next }) : null}
                shown={data.items.length}
                what={["link", "links"]}
              />
            )}
          </>
        )}
      </Card>
      {query["new"] && mayCreate && (
        <Create
          query={query}
          close={() => route(list({ new: null, contentType: null, contentId: null }))}
          done={refetch}
        />
      )}
      {params["id"] && <LinkDetail id={params["id"]} close={() => route(list())} changed={refetch} />}
    </Page>
  );
}

interface SearchFieldProps {
  readonly label: string;
  readonly name: string;
  readonly value: string | undefined;
  readonly go: (fields: Record<string, string | null>) => void;
}

function SearchField({ label, name, value, go }: SearchFieldProps) {
  const [text, type] = useDebouncedText(value ?? "", (settled) => go({ [name]: settled.trim(), after: null }));
  return <Field type="search" label={label} value={text} change={type} max={128} />;
}
