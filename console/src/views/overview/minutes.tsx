/** Shares per minute and channel over the last hour, as they come in. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../chart/chart";
import { colours } from "../../chart/colours";
import type { Series } from "../../chart/stack";
import { MINUTES, useActivity, useNow, type Activity } from "../../live/hooks";
import { time } from "../../locale";
import { Card } from "../../parts/page";
import { Waiting } from "../../parts/states";

const SHOWN = 7;
const told = (at: number): string => time(new Date(at * 1000));

export function Minutes() {
  const activity = useActivity();
  const minute = Math.floor(useNow(1000) / 60_000);
  const at = useMemo(
    () => Array.from({ length: MINUTES }, (_, place) => (minute - MINUTES + 1 + place) * 60),
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
          told={told}
          all="Last hour"
          empty="Nothing in the last hour. What comes in shows up here at once."
        />
      ) : (
        <div class="chart">
          <Waiting rows={2} />
        </div>
      )}
    </Card>
  );
}

function bySeries(activity: Activity, at: readonly number[]): Series[] {
  const totals = new Map<string, number>();
  for (const second of at) {
    for (const [name, shares] of activity.get(second * 1000) ?? []) totals.set(name, (totals.get(name) ?? 0) + shares);
  }
  const names = [...totals].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const shown = names.length > SHOWN ? names.slice(0, SHOWN - 1) : names;
  const told = new Set(shown);
  const found = colours(shown);
  const row = (wanted: (name: string) => boolean) =>
    at.map((second) =>
      [...(activity.get(second * 1000) ?? [])].reduce((sum, [name, n]) => sum + (wanted(name) ? n : 0), 0),
    );
  // In the order of names, not of size: a channel that overtakes another must not swap places while one looks.
  const series = [...shown]
    .sort()
    .map((name) => ({ name, values: row((each) => each === name), colour: found.get(name)! }));
  if (names.length > shown.length) {
    series.push({ name: "other", values: row((each) => !told.has(each)), colour: "var(--series-other)" });
  }
  return series;
}
