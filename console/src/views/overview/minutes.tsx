/** Shares per minute and channel over the last hour, updated live. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../chart/chart";
import { foldSeries } from "../../chart/fold";
import type { Series } from "../../chart/stack";
import { MINUTES, useActivity, useNow, type Activity } from "../../live/hooks";
import { time } from "../../locale";
import { Card } from "../../components/page";
import { Skeleton } from "../../components/states";

const formatTime = (at: number): string => time(new Date(at * 1000));

export function Minutes() {
  const activity = useActivity();
  const minute = Math.floor(useNow(1000) / 60_000);
  const at = useMemo(
    () => Array.from({ length: MINUTES }, (_, index) => (minute - MINUTES + 1 + index) * 60),
    [minute],
  );
  const series = useMemo(() => activity && bySeries(activity, at), [activity, at]);
  return (
    <Card title="Shares per minute" class="live-chart">
      {series ? (
        <Chart
          label="Shares per minute over the last hour"
          at={at}
          series={series}
          formatTime={formatTime}
          all="Last hour"
          empty="No shares in the last hour. New ones appear here at once."
        />
      ) : (
        <div class="chart">
          <Skeleton rows={2} />
        </div>
      )}
    </Card>
  );
}

function bySeries(activity: Activity, at: readonly number[]): Series[] {
  const names = new Set(at.flatMap((second) => [...(activity.get(second * 1000)?.keys() ?? [])]));
  return foldSeries(
    [...names].map((name) => ({ name, values: at.map((second) => activity.get(second * 1000)?.get(name) ?? 0) })),
  );
}
