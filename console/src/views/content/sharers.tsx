/** Who shared a content: the newest lines of its audit, with a link to all of them. */

import { useEffect } from "preact/hooks";
import { useQuery } from "../../api/query";
import { Card } from "../../components/page";
import { ProblemNotice } from "../../components/states";
import { Table } from "../../components/table";
import { view } from "../../urls";
import { columns, lineId } from "../audit/columns";

const SHOWN = 10;
const REFETCH_DELAY = 2000;

export function Sharers({
  contentType,
  contentId,
  version,
}: {
  contentType: string;
  contentId: string;
  version: number | undefined;
}) {
  const { data, problem, refetch } = useQuery("/audit", { query: { contentType, contentId, pageSize: SHOWN } });
  useEffect(() => {
    if (version === undefined || !data) return;
    const timer = setTimeout(refetch, REFETCH_DELAY);
    return () => clearTimeout(timer);
  }, [version]);
  return (
    <Card title="Who shared" aside={<a href={view("audit", { contentType, contentId })}>All in the audit</a>}>
      {problem && !data && <ProblemNotice problem={problem} retry={refetch} />}
      {data?.items.length === 0 && <p class="soft">Nobody yet.</p>}
      {!problem && data?.items.length !== 0 && (
        <Table
          label="Who shared"
          columns={columns((line) => view(["audit", line.recordId]), false)}
          rows={data?.items}
          id={lineId}
          skeletonRows={5}
        />
      )}
    </Card>
  );
}
