/** A modal dialog: the browser's own element, which keeps the focus inside and closes on Escape. */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import type { Action } from "../api/action";
import { Icon } from "./icon";
import { ProblemNotice } from "./states";

interface DialogProps {
  readonly title: string;
  readonly close: () => void;
  readonly wide?: boolean;
  /** Show it as a sheet at the edge of the page, next to a list. */
  readonly sheet?: boolean;
  readonly children: ComponentChildren;
}

export function Dialog({ title, close, wide, sheet, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useId();
  const isUnmounted = useRef(false);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      isUnmounted.current = true;
      shown?.close(); // returns the focus to where it was; removing the open dialog from the page would lose it
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`${sheet ? "sheet" : ""} ${wide ? "wide" : ""}`}
      aria-labelledby={name}
      onClose={() => isUnmounted.current || close()}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="dialog">
        <header>
          <h2 id={name} tabIndex={-1} autofocus={sheet}>
            {title}
          </h2>
          <button type="button" class="button small quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface FormProps {
  readonly action: Action;
  readonly submitLabel: string;
  /** What the other button says; by default Cancel. */
  readonly dismissLabel?: string;
  readonly danger?: boolean;
  readonly submitDisabled?: boolean;
  readonly cancel?: (() => void) | undefined;
  readonly submit: () => void;
  readonly children?: ComponentChildren;
}

/** A form: its fields, the error of the last attempt, and two buttons. */
export function Form({
  action,
  submitLabel,
  dismissLabel = "Cancel",
  danger,
  submitDisabled,
  cancel,
  submit,
  children,
}: FormProps) {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {children}
      {action.problem && <ProblemNotice problem={action.problem} />}
      <div class="buttons">
        {cancel && (
          <button type="button" class="button" onClick={cancel}>
            {dismissLabel}
          </button>
        )}
        <button type="submit" class={`button ${danger ? "danger" : "strong"}`} disabled={submitDisabled || action.busy}>
          {action.busy ? "One moment…" : submitLabel}
        </button>
      </div>
    </form>
  );
}
