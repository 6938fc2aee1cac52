/** The shares of today, 7 days and 30 days in the viewer's time zone, compared with the period before. */

import { useMemo } from "preact/hooks";
import { useQuery } from "../../api/query";
import { Spark } from "../../chart/spark";
import { localRfc3339, midnight } from "../../dates";
import { change, compact, count, timezone } from "../../locale";
import { ProblemNotice } from "../../components/states";

const REFRESH = 15_000;
const DAYS = 60;
const TILES = [
  { name: "Today", days: 1, before: "yesterday" },
  { name: "7 days", days: 7, before: "before" },
  { name: "30 days", days: 30, before: "before" },
] as const;

export function Totals() {
  const today = midnight().getTime();
  const query = useMemo(
    () => ({ from: localRfc3339(midnight(1 - DAYS)), to: localRfc3339(midnight(1)), bucket: "day" as const, timezone }),
    [today],
  );
  const { data, problem, refetch } = useQuery("/analytics/shares", { query }, REFRESH);
  if (problem && !data) return <ProblemNotice problem={problem} retry={refetch} />;
  const points = data?.series[0]?.points.map(({ shares }) => shares);
  return (
    <section class={problem ? "tiles stale" : "tiles"} aria-label="Totals">
      {TILES.map((tile) => (
        <Tile key={tile.name} {...tile} points={points} />
      ))}
    </section>
  );
}

type TileProps = (typeof TILES)[number] & { points: readonly number[] | undefined };

function Tile({ name, days, before, points }: TileProps) {
  const now = points?.slice(-days);
  const total = sum(now);
  const earlier = sum(points?.slice(-2 * days, -days));
  return (
    <div class="card tile">
      <h2>{name}</h2>
      <p class="figure num" title={now && count(total)}>
        {now ? compact(total) : <span class="bone figure-bone" />}
      </p>
      <p class="soft">{now ? comparison(total, earlier, before) : "\u00a0"}</p>
      <Spark values={days === 1 ? (points?.slice(-14) ?? []) : (now ?? [])} />
    </div>
  );
}

function comparison(total: number, earlier: number, before: string): string {
  const text = `${compact(earlier)} ${before}`;
  return earlier <= 0 || before === "yesterday" ? text : `${text} · ${change(total / earlier - 1)}`;
}

const sum = (values: readonly number[] = []): number => values.reduce((total, value) => total + value, 0);
