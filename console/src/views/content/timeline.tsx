/** A content's shares over time, in the viewer's time zone. */

import { useMemo } from "preact/hooks";
import { useViewQuery } from "../../view-query";
import { useQuery } from "../../api/query";
import { Chart } from "../../chart/chart";
import { foldSeries } from "../../chart/fold";
import { count, date, dated, timezone } from "../../locale";
import { Choice } from "../../components/field";
import { Card } from "../../components/page";
import { ProblemNotice, Skeleton } from "../../components/states";

const SPANS = {
  "1d": { word: "24 hours", interval: "PT24H", bucket: "15m" },
  "7d": { word: "7 days", interval: "P7D", bucket: "hour" },
  "30d": { word: "30 days", interval: "P30D", bucket: "day" },
  "90d": { word: "90 days", interval: "P90D", bucket: "day" },
} as const;
type Span = keyof typeof SPANS;
const GROUPS = [
  ["channel", "Channel"],
  ["evidence", "Evidence"],
] as const;
const REFRESH = 15_000;

export function Timeline({ contentType, contentId }: { contentType: string; contentId: string }) {
  const { query, go } = useViewQuery();
  const span: Span = query["span"] && query["span"] in SPANS ? (query["span"] as Span) : "7d";
  const groupBy = query["by"] === "evidence" ? "evidence" : "channel";
  const { interval, bucket, word } = SPANS[span];
  const { data, problem, loading, refetch } = useQuery(
    "/analytics/shares",
    { query: { contentType, contentId, interval, bucket, groupBy, timezone } },
    REFRESH,
  );
  const chartData = useMemo(() => {
    if (!data) return undefined;
    return {
      at: (data.series[0]?.points ?? []).map(({ at }) => Date.parse(at) / 1000),
      series: foldSeries(data.series.map(({ name, points }) => ({ name, values: points.map(({ shares }) => shares) }))),
    };
  }, [data]);
  const formatTime = (at: number) => (bucket === "day" ? date : dated)(new Date(at * 1000));
  const spans = (Object.keys(SPANS) as Span[]).map((name) => [name, SPANS[name].word] as const);
  return (
    <Card
      title="Over time"
      class={(loading || problem) && data ? "stale" : ""}
      aside={
        <div class="actions">
          <Choice
            label="Split by"
            value={groupBy}
            options={GROUPS}
            change={(by) => go({ by: by === "channel" ? "" : by })}
          />
          <Choice label="Time" value={span} options={spans} change={(to) => go({ span: to === "7d" ? "" : to })} />
        </div>
      }
    >
      {problem && !data && <ProblemNotice problem={problem} retry={refetch} />}
      {!problem && !chartData && (
        <div class="chart">
          <Skeleton rows={2} />
        </div>
      )}
      {chartData &&
        (chartData.at.length ? (
          <>
            <Chart
              label={`Shares over ${word}`}
              at={chartData.at}
              series={chartData.series}
              formatTime={formatTime}
              all={word}
              empty="Nothing was shared in this period."
            />
            <p class="chart-foot soft">
              {count(data!.total.made)} made, {count(data!.total.withdrawn)} withdrawn · {timezone}
            </p>
          </>
        ) : (
          <div class="chart empty">
            <p class="soft">Nothing was shared in this period.</p>
          </div>
        ))}
    </Card>
  );
}
