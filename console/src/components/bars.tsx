/** A list of names with a bar for each: the parts of a whole. */

import type { ComponentChildren } from "preact";
import { count, part } from "../locale";

export interface Bar {
  readonly key: string;
  readonly name: ComponentChildren;
  readonly value: number;
  readonly colour?: string | undefined;
}

interface Props {
  readonly label: string;
  readonly bars: readonly Bar[];
  /** The value of a full bar; by default the largest value. */
  readonly whole?: number;
  /** Also show each value as a percentage of `whole`. */
  readonly parts?: boolean;
}

export function Bars({ label, bars, whole, parts = false }: Props) {
  const largest = whole ?? Math.max(1, ...bars.map(({ value }) => value));
  return (
    <ol class="bars" aria-label={label}>
      {bars.map(({ key, name, value, colour }) => (
        <li key={key}>
          <span class="bar-name">{name}</span>
          <span class="bar-value num">
            {count(value)}
            {parts && whole ? <span class="soft"> {part(value / whole)}</span> : null}
          </span>
          <span class="bar" style={{ "--part": Math.max(0, value) / largest, "--colour": colour }} />
        </li>
      ))}
    </ol>
  );
}
