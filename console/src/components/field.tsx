/** A field with a label and a help text. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** The latest date has a four-digit year, so that the browser moves on after the fourth digit. */
const LATEST = "9999-12-31T23:59";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly change: (value: string) => void;
  readonly help?: ComponentChildren;
  readonly type?: "text" | "password" | "url" | "search" | "datetime-local";
  readonly required?: boolean;
  readonly lines?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly placeholder?: string;
  readonly focus?: boolean;
  readonly list?: string;
  readonly disabled?: boolean;
}

export function Field({ label, value, change, help, type = "text", lines, max, focus, list, disabled, ...rest }: Props) {
  const id = useId();
  const shared = {
    id,
    value,
    maxLength: max,
    autoFocus: focus,
    disabled,
    autoComplete: "off",
    spellcheck: false,
    "aria-describedby": help ? `${id}-help` : undefined,
    onInput: (event: { currentTarget: { value: string } }) => change(event.currentTarget.value),
    ...(type === "datetime-local" && { max: LATEST }),
    ...rest,
  };
  return (
    <div class="field">
      <label for={id}>
        {label}
        {!rest.required && type !== "search" && <span class="soft"> optional</span>}
      </label>
      {lines ? (
        <textarea rows={lines} {...shared} />
      ) : type === "password" ? (
        <input type="password" {...shared} />
      ) : (
        <input type={type} list={list} {...shared} />
      )}
      {help && (
        <p id={`${id}-help`} class="help">
          {help}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [T, string])[];
  readonly change: (value: T) => void;
}

/** A choice of one option out of a few, side by side. */
export function Choice<T extends string>({ label, value, options, change }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([name, word]) => (
        <button key={name} type="button" aria-pressed={name === value} onClick={() => change(name)}>
          {word}
        </button>
      ))}
    </div>
  );
}

export function Select<T extends string>({ label, value, options, change }: ChoiceProps<T>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => change(event.currentTarget.value as T)}>
        {options.map(([name, word]) => (
          <option key={name} value={name}>
            {word}
          </option>
        ))}
      </select>
    </div>
  );
}
