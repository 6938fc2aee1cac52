/** Stacked series for uPlot, which draws cumulative sums, the tallest first. */

import uPlot from "uplot";
import { resolveColour } from "./colours";

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
  readonly colour: string;
}

/** The data for uPlot: the times, then the cumulative sums, beginning with the total. */
export function stackSeries(at: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  const sums: number[][] = [];
  let below = at.map(() => 0);
  for (const { values } of series) {
    below = below.map((sum, index) => sum + Math.max(0, values[index] ?? 0));
    sums.push(below);
  }
  return [at as number[], ...sums.reverse()];
}

/** The options for uPlot; colours are resolved at `element`. */
export function options(
  element: HTMLElement,
  series: readonly Series[],
  onHover: (index: number | null) => void,
): uPlot.Options {
  const ink = resolveColour(element, "var(--soft)");
  const line = resolveColour(element, "var(--line)");
  const bars = uPlot.paths.bars!({ size: [0.78, 40, 1], gap: 1 });
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: ink, font, ticks: { show: false }, border: { show: false } } as const;
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
    scales: { x: { time: true, range: paddedRange }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.05)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        space: 64,
        values: (_, splits, __, ___, step) => formatTicks(splits, step),
      },
      {
        ...axis,
        grid: { stroke: line, width: 1 },
        size: (_, values) => 14 + 7 * Math.max(2, ...(values ?? []).map((text) => text.length)),
        gap: 6,
        space: 36,
        incrs: WHOLE_NUMBER_STEPS,
        values: (_, splits) => splits.map((value) => compact.format(value)),
      },
    ],
    series: [
      {},
      ...[...series].reverse().map(({ name, colour }) => ({
        label: name,
        fill: resolveColour(element, colour),
        width: 0,
        paths: bars,
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [(chart) => onHover(chart.cursor.idx ?? null)] },
  };
}

const compact = new Intl.NumberFormat(undefined, { notation: "compact" });
const WHOLE_NUMBER_STEPS = [1, 2, 5]
  .flatMap((step) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((power) => step * 10 ** power))
  .sort((a, b) => a - b);
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** The range with room for half a bar at both ends. */
function paddedRange(chart: uPlot, least: number, most: number): [number, number] {
  const at = chart.data[0];
  const half = ((at[1] ?? 0) - (at[0] ?? 0) || 60) / 2;
  return [least - half, most + half];
}

function formatTicks(splits: number[], step: number): string[] {
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    return (step >= 86_400 || midnight ? DAY : MINUTE).format(date);
  });
}
