/** The breakdown of a count by evidence, channel and campaign. */

import type { ResponseBody } from "../../api/client";
import { colours } from "../../chart/colours";
import { Bars } from "../../components/bars";
import { Card } from "../../components/page";
import { Skeleton } from "../../components/states";

type Count = Pick<ResponseBody<"/share-links/count/{contentType}/{contentId}">, "breakdown" | "shareCount">;
const DIMENSIONS = [
  ["evidence", "By evidence"],
  ["channel", "By channel"],
  ["campaign", "By campaign"],
] as const;
const SHOWN = 8;

export function Breakdown({ known }: { known: Count | undefined }) {
  return (
    <div class="thirds">
      {DIMENSIONS.map(([dimension, title]) => (
        <Card key={dimension} title={title}>
          {known ? <Dimension title={title} cells={known.breakdown[dimension]} whole={known.shareCount} /> : <Skeleton rows={7} />}
        </Card>
      ))}
    </div>
  );
}

function Dimension({ title, cells, whole }: { title: string; cells: Record<string, number>; whole: number }) {
  const sorted = Object.entries(cells).sort((a, b) => b[1] - a[1]);
  if (!sorted.length) return <p class="soft">Nothing yet.</p>;
  const found = colours(sorted.map(([name]) => name));
  const bars = sorted.map(([name, value]) => ({
    key: name,
    name: name === "none" ? "none given" : name,
    value,
    colour: found.get(name),
  }));
  if (bars.length <= SHOWN) return <Bars label={title} bars={bars} whole={Math.max(1, whole)} parts />;
  return (
    <>
      <Bars label={title} bars={bars.slice(0, SHOWN)} whole={Math.max(1, whole)} parts />
      <details class="more">
        <summary>{bars.length - SHOWN} more</summary>
        <Bars label={`${title}, the rest`} bars={bars.slice(SHOWN)} whole={Math.max(1, whole)} parts />
      </details>
    </>
  );
}
