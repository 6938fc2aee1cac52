/** Content: search by the beginning of an id, or by words of a title. */

import { useViewQuery } from "../../view-query";
import { useQuery } from "../../api/query";
import type { ResponseBody } from "../../api/client";
import { count } from "../../locale";
import { Field } from "../../components/field";
import { Page, Card } from "../../components/page";
import { Paging } from "../../components/paging";
import { Empty, ProblemNotice } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { Timestamp } from "../../components/values";
import { view } from "../../urls";
import { useDebouncedText } from "../../debounced-text";
import { Picture } from "./picture";

type Item = ResponseBody<"/content">["items"][number];
const PAGE = 50;
const idOf = ({ contentType, contentId }: Item) => `${contentType}:${contentId}`;

const COLUMNS: readonly Column<Item>[] = [
  {
    head: "Content",
    as: "lead",
    cell: ({ contentType, contentId, title, image }) => (
      <a class="found" href={view(["content", contentType, contentId])}>
        <Picture image={image} />
        <span class="found-name">
          <span class="clip" dir="auto">
            {title || contentId}
          </span>
          <span class="soft clip">
            {contentType} · <bdi>{contentId}</bdi>
          </span>
        </span>
      </a>
    ),
  },
  { head: "Shares", as: "number", cell: ({ shareCount }) => count(shareCount) },
  {
    head: "Title set",
    cell: ({ updatedAt }) => (updatedAt ? <Timestamp at={updatedAt} /> : <span class="soft">never</span>),
  },
];

export function Contents() {
  const { query, to, go } = useViewQuery();
  const [words, type] = useDebouncedText(query["query"] ?? "", (text) => go({ query: text, after: null }));
  const [kind, typeKind] = useDebouncedText(query["type"] ?? "", (text) =>
    go({ type: text.trim().toLowerCase(), after: null }),
  );
  const { data, problem, loading, refetch } = useQuery("/content", {
    query: {
      query: query["query"]?.trim() || null,
      contentType: query["type"] ?? null,
      startingAfter: query["after"] ?? null,
      pageSize: PAGE,
    },
  });
  return (
    <Page title="Content">
      <Card label="Contents">
        <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
          <Field
            type="search"
            label="Id or title"
            value={words}
            change={type}
            max={200}
            placeholder="Beginning of an id, or words of a title"
            focus
          />
          <Field type="search" label="Type" value={kind} change={typeKind} max={32} placeholder="video" />
        </form>
        {problem ? (
          <ProblemNotice problem={problem} retry={refetch} />
        ) : data?.items.length === 0 ? (
          <Nothing searching={Boolean(query["query"] || query["type"])} />
        ) : (
          <>
            <Table label="Contents" columns={COLUMNS} rows={data?.items} id={idOf} stale={loading} />
            {data && (
              <Paging
                first={query["after"] ? to({ after: null }) : null}
                next={data.next ? to({ after: data.next }) : null}
                shown={data.items.length}
                what={["content", "contents"]}
              />
            )}
          </>
        )}
      </Card>
    </Page>
  );
}

function Nothing({ searching }: { searching: boolean }) {
  if (searching) {
    return (
      <Empty icon="search" title="No such content">
        Enter the beginning of an id, in its exact case, or words of a title, in any case.
      </Empty>
    );
  }
  return (
    <Empty icon="content" title="Nothing was shared yet">
      Contents appear here with their first share, or once their title is set with <code>PUT /content/…</code>.
    </Empty>
  );
}
