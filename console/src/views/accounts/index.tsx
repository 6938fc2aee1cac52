/** The signed-in user's accounts on platforms: connect, label, choose the default, connect again, disconnect. */

import { useState } from "preact/hooks";
import { useAction } from "../../api/action";
import { callApi } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { useQuery } from "../../api/query";
import { useHasScope } from "../../api/session";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { Empty, Notice, ProblemNotice } from "../../components/states";
import { Table } from "../../components/table";
import { useViewQuery } from "../../view-query";
import type { Account } from "./account";
import { columns, type Act } from "./columns";
import { Connect, type Target } from "./connect";
import { Disconnect } from "./disconnect";
import { Label } from "./label";
import { connectInBrowser, formOf } from "./connect-form";

const REFRESH = 15_000;

export function Accounts() {
  const hasScope = useHasScope();
  const { label } = usePlatforms();
  const { query, go } = useViewQuery();
  const { data, problem, refetch } = useQuery("/accounts", {}, REFRESH);
  const action = useAction();
  const [connecting, setConnecting] = useState<Target>();
  const [acting, setActing] = useState<{ act: "label" | "disconnect"; account: Account }>();
  const [notice, setNotice] = useState("");
  const mayChange = hasScope("shares");
  const connected = data?.items.find(({ id }) => id === query["connected"]);
  const expired = data?.items.filter(({ status }) => status === "needs_reauth").length ?? 0;
  const say = (message: string) => {
    go({ connected: null });
    setNotice(message);
    refetch();
  };
  const connect = (target: Target) => {
    if (formOf(target.platform)) setConnecting(target);
    else void action.run(() => connectInBrowser(target.platform, {}));
  };
  const act = (name: Act, account: Account) => {
    if (name === "reconnect") connect({ platform: account.platform, account });
    else if (name === "default") {
      void action.run(async () => {
        await callApi("patch", "/accounts/{id}", { path: { id: account.id }, body: { isDefault: true } });
        say(`Posts on ${label(account.platform)} come from ${account.handle} from now on.`);
      });
    } else setActing({ act: name, account });
  };
  const dialog = acting && {
    account: acting.account,
    close: () => setActing(undefined),
    done: (message: string) => (setActing(undefined), say(message)),
  };
  return (
    <Page title="Accounts" lead="Your accounts on platforms, from which this service posts what you share.">
      {(notice || connected) && (
        <Notice
          text={notice || `${connected?.handle} on ${label(connected?.platform ?? "")} is connected.`}
          close={() => (setNotice(""), go({ connected: null }))}
        />
      )}
      {action.problem && <ProblemNotice problem={action.problem} />}
      {expired > 0 && (
        <p class="failed">
          <Icon name="warning" />
          <span>
            {expired === 1 ? "One account has" : `${expired} accounts have`} to be connected again. Until then, posts from{" "}
            {expired === 1 ? "it" : "them"} fail.
          </span>
        </p>
      )}
      <Card label="Accounts">
        {problem && <ProblemNotice problem={problem} retry={refetch} />}
        {data?.items.length === 0 ? (
          <Empty icon="accounts" title="No accounts yet">
            {data.platforms.length
              ? "Connect one, and this service can post what you share from it."
              : "No account can be connected here. Ask the operator of this service."}
          </Empty>
        ) : (
          (data || !problem) && (
            <Table
              label="Accounts"
              columns={columns({ label, mayChange, busy: action.busy, canConnect: data?.platforms ?? [], act })}
              rows={data?.items}
              id={({ id }) => id}
              skeletonRows={4}
            />
          )
        )}
      </Card>
      {mayChange && data && data.platforms.length > 0 && (
        <Card title="Connect an account">
          <ul class="connect-list">
            {data.platforms.map((platform) => (
              <li key={platform}>
                <button type="button" class="button" disabled={action.busy} onClick={() => connect({ platform })}>
                  <Icon name="plus" />
                  {label(platform)}
                </button>
              </li>
            ))}
          </ul>
        </Card>
      )}
      {connecting && (
        <Connect {...connecting} close={() => setConnecting(undefined)} done={(message) => (setConnecting(undefined), say(message))} />
      )}
      {dialog && acting.act === "label" && <Label {...dialog} />}
      {dialog && acting.act === "disconnect" && <Disconnect {...dialog} />}
    </Page>
  );
}
