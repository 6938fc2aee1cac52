/** What is shared most now. */

import { useLocation } from "preact-iso/router";
import { useAsked } from "../../api/asked";
import { timezone } from "../../locale";
import { search, view } from "../../places";
import { Bars } from "../../parts/bars";
import { Choice } from "../../parts/field";
import { Card } from "../../parts/page";
import { Empty, Failed, Waiting } from "../../parts/states";
import { ContentName } from "../../parts/told";

const REFRESH = 10_000;
const SPANS = [
  ["PT1H", "1 hour"],
  ["PT24H", "24 hours"],
  ["P7D", "7 days"],
] as const;

export function Top() {
  const { query, route } = useLocation();
  const interval = SPANS.find(([name]) => name === query["top"])?.[0] ?? "PT1H";
  const { data, problem, waiting, again } = useAsked(
    "/analytics/top",
    { query: { interval, timezone, limit: 8 } },
    REFRESH,
  );
  const choose = (top: string) => route(view("") + search({ ...query, top: top === "PT1H" ? "" : top }), true);
  return (
    <Card
      title="Most shared"
      class={(waiting || problem) && data ? "stale" : ""}
      aside={<Choice label="Most shared within" value={interval} options={SPANS} change={choose} />}
    >
      <div class="top-list">
        {problem && !data && <Failed problem={problem} again={again} />}
        {!problem && !data && <Waiting rows={8} />}
        {data?.items.length === 0 && <Empty icon="content" title="Nothing was shared in this time" />}
        {data && data.items.length > 0 && (
          <Bars
            label="Most shared"
            bars={data.items.map(({ contentType, contentId, title, shares }) => ({
              key: `${contentType}/${contentId}`,
              name: <ContentName type={contentType} id={contentId} title={title} />,
              value: shares,
            }))}
          />
        )}
      </div>
    </Card>
  );
}
