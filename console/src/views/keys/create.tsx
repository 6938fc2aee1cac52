/** Make a key: it is shown once, and never again. */

import { useState } from "preact/hooks";
import { ask, type Answer } from "../../api/client";
import { useDoing } from "../../api/doing";
import { Dialog, Form } from "../../parts/dialog";
import { Field } from "../../parts/field";
import { Copy } from "../../parts/told";

type Made = Answer<"/keys", "post">;
type Scope = Made["scopes"][number];

const SCOPES: readonly (readonly [Scope, string])[] = [
  ["shares", "share, withdraw, make links"],
  ["analytics", "read shares over time and contents"],
  ["audit", "read everybody's audit"],
  ["act-as", "act for the user that X-User-Id names"],
  ["admin", "correct counts, dead letters, keys"],
];

export function Create({ close, done }: { close: () => void; done: () => void }) {
  const doing = useDoing();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["shares"]);
  const [made, show] = useState<Made>();
  const create = () =>
    doing.run(async () => {
      show(await ask("post", "/keys", { body: { name: name.trim(), scopes: [...scopes] } }));
      done();
    });
  const turn = (scope: Scope) =>
    setScopes((before) => (before.includes(scope) ? before.filter((each) => each !== scope) : [...before, scope]));
  if (made) return <Shown made={made} close={close} />;
  return (
    <Dialog title="New key" close={close}>
      <Form
        doing={doing}
        word="Create key"
        off={!name.trim() || !scopes.length}
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
          help="Letters, digits, dots, dashes and underscores. The audit calls it key:name."
        />
        <fieldset>
          <legend>What it may</legend>
          {SCOPES.map(([scope, may]) => (
            <label key={scope} class="check">
              <input type="checkbox" checked={scopes.includes(scope)} onChange={() => turn(scope)} />
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

function Shown({ made, close }: { made: Made; close: () => void }) {
  return (
    <Dialog title={`Key “${made.name}”`} close={close}>
      <p>Keep it now: it is shown this once, and only its hash is stored.</p>
      <p class="shown-key">
        <code>{made.key}</code>
      </p>
      <div class="buttons">
        <Copy text={made.key} label="Copy" small={false} />
        <button type="button" class="button strong" onClick={close}>
          I have kept it
        </button>
      </div>
    </Dialog>
  );
}
