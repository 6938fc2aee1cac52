/** A dialog that gives an account a name of its user's own. */

import { useState } from "preact/hooks";
import { useAction } from "../../api/action";
import { callApi } from "../../api/client";
import { Dialog, Form } from "../../components/dialog";
import { Field } from "../../components/field";
import type { DialogProps } from "./account";

export function Label({ account, close, done }: DialogProps) {
  const action = useAction();
  const [label, setLabel] = useState(account.label ?? "");
  const save = () =>
    action.run(async () => {
      await callApi("patch", "/accounts/{id}", { path: { id: account.id }, body: { label: label.trim() || null } });
      done(label.trim() ? `The label of ${account.handle} is saved.` : `${account.handle} has no label any more.`);
    });
  return (
    <Dialog title={`Label ${account.handle}`} close={close}>
      <Form action={action} submitLabel="Save" cancel={close} submit={() => void save()}>
        <Field label="Label" value={label} change={setLabel} max={100} focus placeholder="The shop" help="A name of your own, to tell your accounts apart." />
      </Form>
    </Dialog>
  );
}
