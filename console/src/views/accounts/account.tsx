/** One account: how it is shown wherever it appears. */

import type { ResponseBody } from "../../api/client";

export type Account = ResponseBody<"/accounts">["items"][number];

/** What every dialog about an account gets; `done` is called with what to tell the user. */
export interface DialogProps {
  readonly account: Account;
  readonly close: () => void;
  readonly done: (message: string) => void;
}

/** Its label, if it has one, and its name at the platform. */
export function AccountName({ account: { handle, label, server } }: { account: Account }) {
  const host = server?.replace(/^https?:\/\//, "");
  const details = [label && handle, host && !handle.endsWith(host) && host].filter(Boolean).join(" · ");
  return (
    <span class="account-name">
      <b dir="auto">{label ?? handle}</b>
      {details && (
        <span class="soft" dir="auto">
          {details}
        </span>
      )}
    </span>
  );
}
