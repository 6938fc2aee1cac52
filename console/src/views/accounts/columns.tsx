/** A row of the list of accounts, with the buttons for what its user can do. */

import { Icon } from "../../components/icon";
import type { Column } from "../../components/table";
import { Badge, Timestamp } from "../../components/values";
import { AccountName, type Account } from "./account";

export type Act = "reconnect" | "default" | "label" | "disconnect";

interface Context {
  readonly label: (platform: string) => string;
  readonly mayChange: boolean;
  readonly busy: boolean;
  readonly canConnect: readonly string[];
  readonly act: (act: Act, account: Account) => void;
}

export function columns(context: Context): readonly Column<Account>[] {
  const { label } = context;
  return [
    { head: "Account", as: "lead", cell: (account) => <AccountName account={account} /> },
    { head: "Platform", as: "plain", cell: ({ platform }) => label(platform) },
    {
      head: "Status",
      as: "plain",
      cell: ({ status, isDefault }) => (
        <span class="badges">
          {status === "needs_reauth" ? <Badge word="connect again" tone="bad" /> : <Badge word="connected" tone="good" />}
          {isDefault && <Badge word="default" tone="soft" />}
        </span>
      ),
    },
    { head: "Connected", cell: ({ createdAt }) => <Timestamp at={createdAt} /> },
    ...(context.mayChange
      ? [{ head: "Actions", as: "foot" as const, hideHead: true, cell: (account: Account) => <Actions account={account} {...context} /> }]
      : []),
  ];
}

function Actions({ account, busy, canConnect, act }: { account: Account } & Context) {
  const { handle, status, isDefault, platform } = account;
  return (
    <div class="account-actions">
      {status === "needs_reauth" && canConnect.includes(platform) && (
        <button
          type="button"
          class="button small strong"
          aria-label={`Reconnect ${handle}`}
          disabled={busy}
          onClick={() => act("reconnect", account)}
        >
          <Icon name="retry" />
          Reconnect
        </button>
      )}
      {!isDefault && (
        <button
          type="button"
          class="button small"
          aria-label={`Make default: ${handle}`}
          disabled={busy}
          onClick={() => act("default", account)}
        >
          Make default
        </button>
      )}
      <button type="button" class="button small" aria-label={`Label ${handle}`} onClick={() => act("label", account)}>
        <Icon name="edit" />
        Label
      </button>
      <button type="button" class="button small" aria-label={`Disconnect ${handle}`} onClick={() => act("disconnect", account)}>
        <Icon name="trash" />
        Disconnect
      </button>
    </div>
  );
}
