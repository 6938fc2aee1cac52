/** The whole life of one record, oldest first. */

import { useAsked } from "../../api/asked";
import { moment } from "../../locale";
import { Dialog } from "../../parts/dialog";
import { Failed, Waiting } from "../../parts/states";
import { Copy } from "../../parts/told";
import { view } from "../../places";
import { Outcome, worded, type Line } from "./columns";
import { Subject } from "./subject";

export function Life({ recordId, close }: { recordId: string; close: () => void }) {
  const { data, problem, again } = useAsked("/audit/records/{recordId}", { path: { recordId } });
  return (
    <Dialog title="The life of a record" sheet close={close}>
      <p class="life-id soft">
        <code>{recordId}</code>
        <Copy text={recordId} label="Copy the record's id" />
      </p>
      {problem && <Failed problem={problem} again={again} />}
      {!data && !problem && <Waiting rows={8} />}
      {data && (
        <>
          <Subject life={data} />
          <ol class="life" aria-label="What happened">
            {data.entries.map((entry) => (
              <Step key={entry.id} entry={entry} />
            ))}
          </ol>
        </>
      )}
    </Dialog>
  );
}

function Step({ entry }: { entry: Line }) {
  return (
    <li class={`at-${entry.status ?? "none"}`}>
      <div class="life-head">
        <b>{worded(entry.action)}</b>
        {entry.status && <Outcome status={entry.status} error={null} />}
        <time class="soft" dateTime={entry.at}>
          {moment(new Date(entry.at))}
        </time>
      </div>
      <p class="soft">
        <bdi>{entry.userId}</bdi>
        {entry.actor !== entry.userId && (
          <>
            , by <bdi>{entry.actor}</bdi>
          </>
        )}{" "}
        · request{" "}
        <a href={view("audit", { requestId: entry.requestId })}>
          <code>{entry.requestId}</code>
        </a>
      </p>
      {entry.error && (
        <p class="life-error">
          <code>{entry.error.code}</code> {entry.error.message}
        </p>
      )}
    </li>
  );
}
