/** Rows that become cards where the window is narrow; a row's first link leads on from anywhere in the row. The focus stays when its row goes. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Skeleton } from "./states";

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => ComponentChildren;
  /** How it lies: numbers to the right, `lead` as the card's title; in a card `line` is without its name, `plain` also beside others. */
  readonly as?: "number" | "lead" | "line" | "plain" | "foot" | "pick";
  readonly hideHead?: boolean;
  /** What stands in the head in place of its words. */
  readonly title?: ComponentChildren;
}

interface Props<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[] | undefined;
  readonly id: (row: T) => string;
  readonly marked?: string | undefined;
  /** What is shown belongs to an earlier question. */
  readonly stale?: boolean;
  readonly bones?: number;
}

export function Table<T>({ label, columns, rows, id, marked, stale = false, bones = 8 }: Props<T>) {
  const region = useRef<HTMLDivElement>(null);
  const held = region.current?.contains(document.activeElement);
  useLayoutEffect(() => {
    if (held && document.activeElement === document.body) region.current?.focus({ preventScroll: true });
  });
  if (!rows) return <Skeleton rows={bones} />;
  return (
    <div
      ref={region}
      class={`table ${stale ? "stale" : ""}`}
      role="region"
      aria-label={label}
      aria-busy={stale}
      tabIndex={0}
    >
      <table>
        <thead>
          <tr>
            {columns.map(({ head, as, hideHead, title }) => (
              <th key={head} scope="col" class={as}>
                {title ?? <span class={hideHead ? "hidden" : ""}>{head}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} class={id(row) === marked ? "marked" : ""}>
              {columns.map(({ head, cell, as }) => (
                <td key={head} class={as} data-head={head}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
