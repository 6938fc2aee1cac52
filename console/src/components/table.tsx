/**
 * A table whose rows become cards in a narrow window. A click anywhere in a row follows its first link. When the
 * focused row disappears, the table gets the focus.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Skeleton } from "./states";

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => ComponentChildren;
  /**
   * The layout: numbers are right-aligned, and `lead` is the title of a card. In a card, `line` and `plain` are shown
   * without the column's name, and `plain` shares its line with others.
   */
  readonly as?: "number" | "lead" | "line" | "plain" | "foot" | "pick";
  readonly hideHead?: boolean;
  /** Replaces the text in the head. */
  readonly title?: ComponentChildren;
}

interface Props<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[] | undefined;
  readonly id: (row: T) => string;
  readonly marked?: string | undefined;
  /** The rows belong to an earlier request. */
  readonly stale?: boolean;
  readonly skeletonRows?: number;
}

export function Table<T>({ label, columns, rows, id, marked, stale = false, skeletonRows = 8 }: Props<T>) {
  const region = useRef<HTMLDivElement>(null);
  const hadFocus = region.current?.contains(document.activeElement);
  useLayoutEffect(() => {
    if (hadFocus && document.activeElement === document.body) region.current?.focus({ preventScroll: true });
  });
  if (!rows) return <Skeleton rows={skeletonRows} />;
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
