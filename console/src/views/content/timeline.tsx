/** A content's shares over time, in the viewer's time zone. */

import { useMemo } from "preact/hooks";
import { useAddress } from "../../address";
import { useAsked } from "../../api/asked";
import { Chart } from "../../chart/chart";
import { folded } from "../../chart/fold";
import { count, date, dated, timezone } from "../../locale";
import { Choice } from "../../parts/field";
import { Card } from "../../parts/page";
import { Failed, Waiting } from "../../parts/states";

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
  const { query, go } = useAddress();
  const span: Span = query["span"] && query["span"] in SPANS ? (query["span"] as Span) : "7d";
  const groupBy = query["by"] === "evidence" ? "evidence" : "channel";
  const { interval, bucket, word } = SPANS[span];
  const { data, problem, waiting, again } = useAsked(
    "/analytics/shares",
    { query: { contentType, contentId, interval, bucket, groupBy, timezone } },
    REFRESH,
  );
  const drawn = useMemo(() => {
    if (!data) return undefined;
    return {
      at: (data.series[0]?.points ?? []).map(({ at }) => Date.parse(at) / 1000),
      series: folded(data.series.map(({ name, points }) => ({ name, values: points.map(({ shares }) => shares) }))),
    };
  }, [data]);
  const told = (at: number) => (bucket === "day" ? date : dated)(new Date(at * 1000));
  const spans = (Object.keys(SPANS) as Span[]).map((name) => [name, SPANS[name].word] as const);
  return (
    <Card
      title="Over time"
      class={(waiting || problem) && data ? "stale" : ""}
      aside={
        <div class="actions">
          <Choice
            label="Told apart by"
            value={groupBy}
            options={GROUPS}
            change={(by) => go({ by: by === "channel" ? "" : by })}
          />
          <Choice label="Time" value={span} options={spans} change={(to) => go({ span: to === "7d" ? "" : to })} />
        </div>
      }
    >
      {problem && !data && <Failed problem={problem} again={again} />}
      {!problem && !drawn && (
        <div class="chart">
          <Waiting rows={2} />
        </div>
      )}
      {drawn &&
        (drawn.at.length ? (
          <>
            <Chart
              label={`Shares over ${word}`}
              at={drawn.at}
              series={drawn.series}
              told={told}
              all={word}
              empty="Nothing was shared in this time."
            />
            <p class="chart-foot soft">
              {count(data!.total.made)} made, {count(data!.total.withdrawn)} withdrawn · {timezone}
            </p>
          </>
        ) : (
          <div class="chart empty">
            <p class="soft">Nothing was shared in this time.</p>
          </div>
        ))}
    </Card>
  );
}
