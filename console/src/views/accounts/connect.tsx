/** Asks what a platform has to know before an account is connected; the rest happens at the platform. */

import { useState } from "preact/hooks";
import { useAction } from "../../api/action";
import { callApi } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { Dialog, Form } from "../../components/dialog";
import { Choice, Field } from "../../components/field";
import type { Account } from "./account";
import { connectInBrowser, formOf } from "./connect-form";

export interface Target {
  readonly platform: string;
  /** The account that is connected again. */
  readonly account?: Account;
}

interface Props extends Target {
  readonly close: () => void;
  readonly done: (message: string) => void;
}

type Method = "browser" | "password";
const METHODS: readonly (readonly [Method, string])[] = [
  ["browser", "In the browser"],
  ["password", "With an app password"],
];

export function Connect({ platform, account, close, done }: Props) {
  const action = useAction();
  const { label } = usePlatforms();
  const form = formOf(platform);
  const [method, setMethod] = useState<Method>("browser");
  const [server, setServer] = useState(account?.server ?? "");
  const [handle, setHandle] = useState(account?.handle ?? "");
  const [password, setPassword] = useState("");
  if (!form) return null;
  const byPassword = form.password && method === "password";
  const asksServer = form.server === "required" || (form.server === "optional" && byPassword);
  const connect = () =>
    action.run(async () => {
      const identifier = handle.trim();
      if (!byPassword) {
        await connectInBrowser(platform, form.handle ? optional({ identifier }) : optional({ instance: server.trim() }));
        return;
      }
      const body = { identifier, appPassword: password.trim(), ...optional({ server: server.trim() }) };
      const connected = await callApi("post", "/accounts/{platform}/connect", { path: { platform }, body });
      if ("handle" in connected) done(`${connected.handle} on ${label(platform)} is connected.`);
    });
  return (
    <Dialog title={account ? `Connect ${account.handle} again` : `Connect an account on ${label(platform)}`} close={close}>
      <Form
        action={action}
        submitLabel={byPassword ? "Connect" : `Go to ${label(platform)}`}
        submitDisabled={(form.server === "required" && !server.trim()) || (byPassword && !(handle.trim() && password.trim()))}
        cancel={close}
        submit={() => void connect()}
      >
        {form.password && <Choice label="How to connect" value={method} options={METHODS} change={setMethod} />}
        {form.handle && (
          <Field
            label="Handle"
            value={handle}
            change={setHandle}
            required={byPassword}
            max={255}
            focus
            placeholder="anna.bsky.social"
            help={byPassword ? undefined : "So that you get to the server that holds your account."}
          />
        )}
        {byPassword && (
          <Field
            label="App password"
            type="password"
            value={password}
            change={setPassword}
            required
            max={255}
            help={`Create one for this service in the settings of ${label(platform)}; never enter your real password.`}
          />
        )}
        {asksServer && (
          <Field
            label="Server"
            value={server}
            change={setServer}
            required={form.server === "required"}
            max={255}
            focus={form.server === "required"}
            placeholder={form.server === "required" ? "mastodon.social" : "bsky.social"}
            help={form.server === "required" ? "The server where you sign in, as it stands in your address." : undefined}
          />
        )}
        {!byPassword && <p class="soft">You sign in there and agree, and come back to this page.</p>}
      </Form>
    </Dialog>
  );
}

/** Only the fields that are not empty. */
function optional<T extends Record<string, string>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value)) as Partial<T>;
}
