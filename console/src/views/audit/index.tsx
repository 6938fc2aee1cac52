/** The audit: who did what, filtered, page by page; a row opens the whole life of its record. */

import { useAddress } from "../../address";
import { useAsked } from "../../api/asked";
import { Card, Page } from "../../parts/page";
import { Paging } from "../../parts/paging";
import { Empty, Failed } from "../../parts/states";
import { Table } from "../../parts/table";
import { view } from "../../places";
import { columns, lineId } from "./columns";
import { filterOf, Filters } from "./filters";

const PAGE = 50;

export function Audit() {
  const here = useAddress();
  const { query } = here;
  const filter = filterOf(query);
  const { data, problem, waiting, again } = useAsked("/audit", {
    query: { ...filter, startingAfter: query["after"] ?? null, pageSize: PAGE } as object,
  });
  const list = (fields: Record<string, string | null> = {}) => view("audit", { ...query, ...fields });
  return (
    <Page title="Audit" place="audit">
      <Card label="Audit">
        <Filters address={here} />
        {problem ? (
          <Failed problem={problem} again={again} />
        ) : data?.items.length === 0 ? (
          <Empty
            icon="audit"
            title={Object.values(filter).some(Boolean) ? "No line matches this filter" : "Nothing has happened yet"}
          />
        ) : (
          <>
            <Table label="Audit" columns={columns()} rows={data?.items} id={lineId} stale={waiting} bones={12} />
            {data && (
              <Paging
                first={query["after"] ? list({ after: null }) : null}
                next={data.next ? list({ after: data.next }) : null}
                shown={data.items.length}
                what="lines"
              />
            )}
          </>
        )}
      </Card>
    </Page>
  );
}
