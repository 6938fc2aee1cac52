/** The audit: who did what, filtered, page by page; a row opens the history of its record. */

import { useLocation, useRoute } from "preact-iso/router";
import { useViewQuery } from "../../view-query";
import { useQuery } from "../../api/query";
import { requestUrl } from "../../api/client";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { Paging } from "../../components/paging";
import { Empty, ProblemNotice } from "../../components/states";
import { Table } from "../../components/table";
import { view } from "../../urls";
import { columns, lineId } from "./columns";
import { filterOf, Filters, type Filter } from "./filters";
import { RecordHistory } from "./history";

const PAGE = 50;

export function Audit() {
  const { params } = useRoute();
  const { route } = useLocation();
  const here = useViewQuery();
  const { query } = here;
  const filter = filterOf(query);
  const { data, problem, loading, refetch } = useQuery("/audit", {
    query: { ...filter, startingAfter: query["after"] ?? null, pageSize: PAGE } as object,
  });
  const list = (fields: Record<string, string | null> = {}) => view("audit", { ...query, ...fields });
  const recordId = params["recordId"];
  return (
    <Page title="Audit" pageId="audit" actions={<Export filter={filter} />}>
      <Card label="Audit">
        <Filters address={here} />
        {problem ? (
          <ProblemNotice problem={problem} retry={refetch} />
        ) : data?.items.length === 0 ? (
          <Empty
            icon="audit"
            title={Object.values(filter).some(Boolean) ? "No line matches this filter" : "Nothing has happened yet"}
          />
        ) : (
          <>
            <Table
              label="Audit"
              columns={columns(({ recordId: id }) => view(["audit", id], query))}
              rows={data?.items}
              id={lineId}
              stale={loading}
              skeletonRows={12}
            />
            {data && (
              <Paging
                first={query["after"] ? list({ after: null }) : null}
                next={data.next ? list({ after: data.next }) : null}
                shown={data.items.length}
                what={["line", "lines"]}
              />
            )}
          </>
        )}
      </Card>
      {recordId && <RecordHistory recordId={recordId} close={() => route(list())} />}
    </Page>
  );
}

function Export({ filter }: { filter: Filter }) {
  return (
    <>
      {(["csv", "jsonl"] as const).map((format) => (
        <a
          key={format}
          class="button"
          href={requestUrl("/audit/export", {}, { format, ...filter })}
          download={`audit.${format}`}
        >
          <Icon name="download" />
          {format === "csv" ? "CSV" : "JSON lines"}
        </a>
      ))}
    </>
  );
}
