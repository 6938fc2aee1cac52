/** A stacked chart of shares over time; the legend shows the totals, or the values at the cursor. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { count } from "../locale";
import { options, stackSeries, type Series } from "./stack";

interface Props {
  readonly label: string;
  /** The start of each bucket, in seconds since the epoch. */
  readonly at: readonly number[];
  readonly series: readonly Series[];
  /** Formats the time of a bucket for the legend. */
  readonly formatTime: (at: number) => string;
  /** The name of the whole period in the legend. */
  readonly all: string;
  /** The text shown if there is no data. */
  readonly empty?: string;
}

export function Chart({ label, at, series, formatTime, all, empty }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const [index, setIndex] = useState<number | null>(null);
  const scheme = useScheme();
  const data = useMemo(() => stackSeries(at, series), [at, series]);
  const kinds = series.map(({ name, colour }) => `${name} ${colour}`).join("\n");

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const plot = new uPlot(options(element, series, setIndex), data, element);
    chart.current = plot;
    const observer = new ResizeObserver(() => {
      plot.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
      chart.current = undefined;
    };
  }, [kinds, scheme]);
  useEffect(() => chart.current?.setData(data), [data]);

  const step = (by: number) => {
    const next = Math.min(at.length - 1, Math.max(0, (index ?? (by > 0 ? -1 : at.length)) + by));
    const plot = chart.current;
    plot?.setCursor({ left: plot.valToPos(at[next] ?? 0, "x"), top: 0 });
  };
  const moment = index === null ? undefined : at[index];
  return (
    <figure class="chart">
      <figcaption class="legend" aria-live={index === null ? "off" : "polite"}>
        <span class="legend-when">{moment === undefined ? all : formatTime(moment)}</span>
        {series.map(({ name, values, colour }) => (
          <span key={name} class="legend-item">
            <span class="dot" style={{ "--colour": colour }} />
            <span class="clip" title={name}>
              {name}
            </span>
            <b class="num">{count(index === null ? sum(values) : (values[index] ?? 0))}</b>
          </span>
        ))}
      </figcaption>
      <div
        ref={frame}
        class="canvas"
        role="img"
        tabIndex={0}
        aria-label={`${label}: ${series.map(({ name, values }) => `${name} ${count(sum(values))}`).join(", ") || "nothing"}`}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          step(by);
        }}
        onBlur={() => chart.current?.setCursor({ left: -10, top: -10 })}
      >
        {empty && series.every(({ values }) => sum(values) === 0) && <p class="canvas-empty">{empty}</p>}
      </div>
    </figure>
  );
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Changes with the colour scheme of the system, after which the canvas must be redrawn. */
function useScheme(): boolean {
  const [isDark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const onChange = () => setDark(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  return isDark;
}
