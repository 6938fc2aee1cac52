/** The question before jobs are replayed or discarded. */

import { useState } from "preact/hooks";
import { ask } from "../../api/client";
import { useDoing } from "../../api/doing";
import { Dialog, Form } from "../../parts/dialog";
import { Field } from "../../parts/field";
import type { Outcome } from "./outcomes";

export type Deed = "replay" | "discard";

interface Props {
  readonly deed: Deed;
  readonly ids: readonly string[];
  readonly close: () => void;
  readonly done: (outcomes: readonly Outcome[]) => void;
}

export function Decide({ deed, ids, close, done }: Props) {
  const doing = useDoing();
  const [reason, setReason] = useState("");
  const jobs = ids.length === 1 ? "this job" : `${ids.length} jobs`;
  const decide = () =>
    doing.run(async () => {
      const told =
        deed === "replay"
          ? await ask("post", "/dead/replay", { body: { ids: [...ids] } })
          : await ask("post", "/dead/discard", { body: { ids: [...ids], reason: reason.trim() } });
      done(told.results);
    });
  return (
    <Dialog title={deed === "replay" ? `Replay ${jobs}?` : `Discard ${jobs}?`} close={close}>
      <Form
        doing={doing}
        word={deed === "replay" ? "Replay" : "Discard"}
        danger={deed === "discard"}
        off={deed === "discard" && !reason.trim()}
        cancel={close}
        submit={() => void decide()}
      >
        {deed === "replay" ? (
          <p>They become pending again and are sent. However often that happens, each counts once.</p>
        ) : (
          <>
            <p>
              They will never be counted. A correction with your name and reason takes their place in the ledger, so
              that the proof still holds. This cannot be undone.
            </p>
            <Field label="Reason" value={reason} change={setReason} required lines={2} max={500} focus />
          </>
        )}
      </Form>
    </Dialog>
  );
}
