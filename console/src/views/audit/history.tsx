/** The complete history of one record, oldest entry first. */

import { useQuery } from "../../api/query";
import { moment } from "../../locale";
import { Dialog } from "../../components/dialog";
import { ProblemNotice, Skeleton } from "../../components/states";
import { CopyButton } from "../../components/values";
import { view } from "../../urls";
import { Outcome, actionLabel, type Line } from "./columns";
import { Subject } from "./subject";

export function RecordHistory({ recordId, close }: { recordId: string; close: () => void }) {
  const { data, problem, refetch } = useQuery("/audit/records/{recordId}", { path: { recordId } });
  return (
    <Dialog title="The history of a record" sheet close={close}>
      <p class="life-id soft">
        <code>{recordId}</code>
        <CopyButton text={recordId} label="Copy the record's id" />
      </p>
      {problem && <ProblemNotice problem={problem} retry={refetch} />}
      {!data && !problem && <Skeleton rows={8} />}
      {data && (
        <>
          <Subject life={data} />
          <ol class="life" aria-label="Changes">
            {data.entries.map((entry) => (
              <HistoryEntry key={entry.id} entry={entry} />
            ))}
          </ol>
        </>
      )}
    </Dialog>
  );
}

function HistoryEntry({ entry }: { entry: Line }) {
  return (
    <li class={`at-${entry.status ?? "none"}`}>
      <div class="life-head">
        <b>{actionLabel(entry.action)}</b>
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
