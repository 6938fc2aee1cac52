/** Share links: list, create, and one of them with its QR code. */

import { useLocation, useRoute } from "preact-iso/router";
import { useAddress } from "../../address";
import { useAsked } from "../../api/asked";
import type { Answer } from "../../api/client";
import { useMay } from "../../api/session";
import { Field } from "../../parts/field";
import { Icon } from "../../parts/icon";
import { Card, Page } from "../../parts/page";
import { Paging } from "../../parts/paging";
import { Empty, Failed } from "../../parts/states";
import { Table, type Column } from "../../parts/table";
import { Clipped, ContentName, Copy, When } from "../../parts/told";
import { absolute, view } from "../../places";
import { useTyped } from "../../typed";
import { Create } from "./create";
import { One } from "./one";

type Link = Answer<"/share-links">["items"][number];
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
            <Copy text={absolute(shortUrl)} label={`Copy the address of ${code}`} />
          </span>
        </span>
      ),
    },
    {
      head: "Content",
      as: "line",
      cell: ({ contentType, contentId }) => <ContentName type={contentType} id={contentId} />,
    },
    { head: "Channel", cell: ({ channelId }) => <Clipped text={channelId} /> },
    { head: "Campaign", cell: ({ campaignId }) => <Clipped text={campaignId} /> },
    { head: "Owner", cell: ({ userId }) => <Clipped text={userId} /> },
    { head: "Created", cell: ({ createdAt }) => <When at={createdAt} /> },
    {
      head: "Expires",
      cell: ({ expiresAt }) => (expiresAt ? <When at={expiresAt} /> : <span class="soft none">never</span>),
    },
  ];
}

export function Links() {
  const { params } = useRoute();
  const { route } = useLocation();
  const may = useMay();
  const { query, go } = useAddress();
  const { data, problem, waiting, again } = useAsked("/share-links", {
    query: {
      ...Object.fromEntries(FIELDS.map((field) => [field, query["new"] ? null : query[field]?.trim() || null])),
      startingAfter: query["after"] ?? null,
      pageSize: PAGE,
    },
  });
  const list = (fields: Record<string, string | null> = {}) => view("links", { ...query, ...fields });
  const filtered = FIELDS.some((field) => query[field]);
  const mayCreate = may("shares");
  return (
    <Page
      title="Links"
      place="links"
      lead={may("admin") ? undefined : "Those that you own."}
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
          <Typed label="Content type" name="contentType" value={query["contentType"]} go={go} />
          <Typed label="Content id" name="contentId" value={query["contentId"]} go={go} />
          <Typed label="Campaign" name="campaignId" value={query["campaignId"]} go={go} />
          {may("admin") && <Typed label="Owner" name="userId" value={query["userId"]} go={go} />}
        </form>
        {problem ? (
          <Failed problem={problem} again={again} />
        ) : data?.items.length === 0 ? (
          <Empty icon="links" title={filtered ? "No link matches" : "No links yet"}>
            {!filtered &&
              "A link is a short address of a content, for one channel and campaign. Creating it counts as a share."}
          </Empty>
        ) : (
          <>
            <Table label="Links" columns={columns(query)} rows={data?.items} id={idOf} stale={waiting} />
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
          done={again}
        />
      )}
      {params["id"] && <One id={params["id"]} close={() => route(list())} changed={again} />}
    </Page>
  );
}

interface TypedProps {
  readonly label: string;
  readonly name: string;
  readonly value: string | undefined;
  readonly go: (fields: Record<string, string | null>) => void;
}

function Typed({ label, name, value, go }: TypedProps) {
  const [text, type] = useTyped(value ?? "", (settled) => go({ [name]: settled.trim(), after: null }));
  return <Field type="search" label={label} value={text} change={type} max={128} />;
}
