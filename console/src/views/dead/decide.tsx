/** The confirmation before jobs are replayed or discarded. */

import { useState } from "preact/hooks";
import { callApi } from "../../api/client";
import { useAction } from "../../api/action";
import { Dialog, Form } from "../../components/dialog";
import { Field } from "../../components/field";
import type { Outcome } from "./outcomes";

export type Decision = "replay" | "discard";

interface Props {
  readonly decision: Decision;
  readonly ids: readonly string[];
  readonly close: () => void;
  readonly done: (outcomes: readonly Outcome[]) => void;
}

export function Decide({ decision, ids, close, done }: Props) {
  const action = useAction();
  const [reason, setReason] = useState("");
  const jobs = ids.length === 1 ? "this job" : `${ids.length} jobs`;
  const decide = () =>
    action.run(async () => {
      const response =
        decision === "replay"
          ? await callApi("post", "/dead/replay", { body: { ids: [...ids] } })
          : await callApi("post", "/dead/discard", { body: { ids: [...ids], reason: reason.trim() } });
      done(response.results);
    });
  return (
    <Dialog title={decision === "replay" ? `Replay ${jobs}?` : `Discard ${jobs}?`} close={close}>
      <Form
        action={action}
        submitLabel={decision === "replay" ? "Replay" : "Discard"}
        danger={decision === "discard"}
        submitDisabled={decision === "discard" && !reason.trim()}
        cancel={close}
        submit={() => void decide()}
      >
        {decision === "replay" ? (
          <p>They become pending again and are sent. However often you replay a job, it counts once.</p>
        ) : (
          <>
            <p>
              They will never be counted. A correction with your name and your reason replaces them in the ledger, so that
              the proof still holds. This cannot be undone.
            </p>
            <Field label="Reason" value={reason} change={setReason} required lines={2} max={500} focus />
          </>
        )}
      </Form>
    </Dialog>
  );
}
