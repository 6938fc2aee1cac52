/** What is shown while data is loading, missing, or could not be loaded. */

import type { ComponentChildren } from "preact";
import type { Problem } from "../api/client";
import { Icon, type IconName } from "./icon";

/** Grey lines as high as the rows that are loading. */
export function Skeleton({ rows = 3 }: { rows?: number }) {
  return (
    <div class="waiting" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} class={`bone w${row % 4}`} />
      ))}
    </div>
  );
}

interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
}

export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-mark">
        <Icon name={icon} />
      </span>
      <p class="empty-title">{title}</p>
      {children && <div class="soft">{children}</div>}
    </div>
  );
}

/** What has just been done; screen readers announce it. */
export function Notice({ text, close }: { text: string; close: () => void }) {
  return (
    <div class="notice" role="status">
      <Icon name="check" />
      <p dir="auto">{text}</p>
      <button type="button" class="button small quiet" aria-label="Close" onClick={close}>
        <Icon name="close" />
      </button>
    </div>
  );
}

/** An error, with a way to try again. */
export function ProblemNotice({ problem, retry }: { problem: Problem; retry?: () => void }) {
  return (
    <div class="failed" role="alert">
      <Icon name="warning" />
      <div>
        <p>{problem.detail}</p>
        {problem.invalid.map(({ path, reason }) => (
          <p key={path} class="soft">
            <code>{path}</code> {reason}
          </p>
        ))}
      </div>
      {retry && (
        <button type="button" class="button small" onClick={retry}>
          <Icon name="retry" />
          Try again
        </button>
      )}
    </div>
  );
}
