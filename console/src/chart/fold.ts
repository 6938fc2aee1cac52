/** Keeps the largest series and combines the rest, because only a few can be distinguished by colour. */

import { colours, OTHER } from "./colours";
import type { Series } from "./stack";

type Named = Pick<Series, "name" | "values">;

const SHOWN = 7;
const REST = "other";

export function foldSeries(all: readonly Named[]): Series[] {
  const ranked = [...all].sort((a, b) => Number(a.name === REST) - Number(b.name === REST) || size(b) - size(a));
  const shown = ranked.length > SHOWN ? ranked.slice(0, SHOWN - 1) : ranked;
  const rest = ranked.slice(shown.length);
  const found = colours(shown.map(({ name }) => name));
  // Ordered by name rather than by size, so that series do not swap places while the user looks at them.
  const series = [...shown]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((each) => ({ ...each, colour: found.get(each.name)! }));
  return rest.length ? [...series, { name: REST, values: sumSeries(rest), colour: OTHER }] : series;
}

const size = ({ values }: Named): number => values.reduce((sum, value) => sum + Math.abs(value), 0);

const sumSeries = (all: readonly Named[]): number[] =>
  all[0]!.values.map((_, index) => all.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
