/** A dialog that creates a key, which is shown only once. */

import { useState } from "preact/hooks";
import { callApi, type ResponseBody } from "../../api/client";
import { useAction } from "../../api/action";
import { Dialog, Form } from "../../components/dialog";
import { Field } from "../../components/field";
import { CopyButton } from "../../components/values";

type CreatedKey = ResponseBody<"/keys", "post">;
type Scope = CreatedKey["scopes"][number];

const SCOPES: readonly (readonly [Scope, string])[] = [
  ["shares", "share, withdraw, create links"],
  ["analytics", "read shares over time and contents"],
  ["audit", "read the audit of all users"],
  ["act-as", "act for the user in X-User-Id"],
  ["admin", "correct counts, manage dead letters and keys"],
];

export function Create({ close, done }: { close: () => void; done: () => void }) {
  const action = useAction();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["shares"]);
  const [createdKey, setCreatedKey] = useState<CreatedKey>();
  const create = () =>
    action.run(async () => {
      setCreatedKey(await callApi("post", "/keys", { body: { name: name.trim(), scopes: [...scopes] } }));
      done();
    });
  const toggle = (scope: Scope) =>
    setScopes((before) => (before.includes(scope) ? before.filter((each) => each !== scope) : [...before, scope]));
  if (createdKey) return <ShowKey createdKey={createdKey} close={close} />;
  return (
    <Dialog title="New key" close={close}>
      <Form
        action={action}
        submitLabel="Create key"
        submitDisabled={!name.trim() || !scopes.length}
        cancel={close}
        submit={() => void create()}
      >
        <Field
          label="Name"
          value={name}
          change={setName}
          required
          max={64}
          focus
          pattern="[A-Za-z0-9_.\-]+"
          placeholder="web-shop"
          help="Letters, digits, dots, dashes and underscores. In the audit it appears as key:name."
        />
        <fieldset>
          <legend>Scopes</legend>
          {SCOPES.map(([scope, may]) => (
            <label key={scope} class="check">
              <input type="checkbox" checked={scopes.includes(scope)} onChange={() => toggle(scope)} />
              <span>
                <b>{scope}</b> <span class="soft">{may}</span>
              </span>
            </label>
          ))}
        </fieldset>
      </Form>
    </Dialog>
  );
}

function ShowKey({ createdKey, close }: { createdKey: CreatedKey; close: () => void }) {
  return (
    <Dialog title={`Key “${createdKey.name}”`} close={close}>
      <p>Copy it now: it is shown only once, and only its hash is stored.</p>
      <p class="shown-key">
        <code>{createdKey.key}</code>
      </p>
      <div class="buttons">
        <CopyButton text={createdKey.key} label="Copy" small={false} />
        <button type="button" class="button strong" onClick={close}>
          I have copied it
        </button>
      </div>
    </Dialog>
  );
}
