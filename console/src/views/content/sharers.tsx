/** Who shared a content: the newest lines of its audit, with the way to all of them. */

import { useEffect } from "preact/hooks";
import { useAsked } from "../../api/asked";
import { Card } from "../../parts/page";
import { Failed } from "../../parts/states";
import { Table } from "../../parts/table";
import { view } from "../../places";
import { columns, lineId } from "../audit/columns";

const SHOWN = 10;
const CALM = 2000;

export function Sharers({
  contentType,
  contentId,
  version,
}: {
  contentType: string;
  contentId: string;
  version: number | undefined;
}) {
  const { data, problem, again } = useAsked("/audit", { query: { contentType, contentId, pageSize: SHOWN } });
  useEffect(() => {
    if (version === undefined || !data) return;
    const timer = setTimeout(again, CALM);
    return () => clearTimeout(timer);
  }, [version]);
  return (
    <Card title="Who shared" aside={<a href={view("audit", { contentType, contentId })}>All in the audit</a>}>
      {problem && !data && <Failed problem={problem} again={again} />}
      {data?.items.length === 0 && <p class="soft">Nobody yet.</p>}
      {!problem && data?.items.length !== 0 && (
        <Table
          label="Who shared"
          columns={columns((line) => view(["audit", line.recordId]), false)}
          rows={data?.items}
          id={lineId}
          bones={5}
        />
      )}
    </Card>
  );
}
