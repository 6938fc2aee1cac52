/** The most shared content items of a recent period. */

import { useLocation } from "preact-iso/router";
import { useQuery } from "../../api/query";
import { timezone } from "../../locale";
import { search, view } from "../../urls";
import { Bars } from "../../components/bars";
import { Choice } from "../../components/field";
import { Card } from "../../components/page";
import { Empty, ProblemNotice, Skeleton } from "../../components/states";
import { ContentLink } from "../../components/values";

const REFRESH = 10_000;
const SPANS = [
  ["PT1H", "1 hour"],
  ["PT24H", "24 hours"],
  ["P7D", "7 days"],
] as const;

export function Top() {
  const { query, route } = useLocation();
  const interval = SPANS.find(([name]) => name === query["top"])?.[0] ?? "PT1H";
  const { data, problem, loading, refetch } = useQuery(
    "/analytics/top",
    { query: { interval, timezone, limit: 8 } },
    REFRESH,
  );
  const choose = (top: string) => route(view("") + search({ ...query, top: top === "PT1H" ? "" : top }), true);
  return (
    <Card
      title="Most shared"
      class={(loading || problem) && data ? "stale" : ""}
      aside={<Choice label="Most shared within" value={interval} options={SPANS} change={choose} />}
    >
      <div class="top-list">
        {problem && !data && <ProblemNotice problem={problem} retry={refetch} />}
        {!problem && !data && <Skeleton rows={8} />}
        {data?.items.length === 0 && <Empty icon="content" title="Nothing was shared in this period" />}
        {data && data.items.length > 0 && (
          <Bars
            label="Most shared"
            bars={data.items.map(({ contentType, contentId, title, shares }) => ({
              key: `${contentType}/${contentId}`,
              name: <ContentLink type={contentType} id={contentId} title={title} />,
              value: shares,
            }))}
          />
        )}
      </div>
    </Card>
  );
}
