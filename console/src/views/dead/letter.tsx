/** One dead letter: why it is here, what it would do, and what it says. */

import { useAsked } from "../../api/asked";
import type { Answer } from "../../api/client";
import { difference, moment } from "../../locale";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icon";
import { Failed, Waiting } from "../../parts/states";
import { ContentName, Copy } from "../../parts/told";
import { view } from "../../places";
import type { Deed } from "./decide";

type Job = Answer<"/dead/{id}">;

interface Props {
  readonly id: string;
  readonly close: () => void;
  readonly decide: (deed: Deed, id: string) => void;
}

export function Letter({ id, close, decide }: Props) {
  const { data, problem, again } = useAsked("/dead/{id}", { path: { id } });
  return (
    <Dialog title="Dead letter" sheet close={close}>
      <p class="life-id soft">
        <code>{id}</code>
        <Copy text={id} label="Copy the id" />
      </p>
      {problem && <Failed problem={problem} again={again} />}
      {!data && !problem && <Waiting rows={8} />}
      {data && (
        <>
          <p class="failed">
            <Icon name="warning" />
            <span>{data.reason}</span>
          </p>
          <Facts job={data} />
          {data.payload && <Payload text={readable(data.payload)} />}
          <div class="buttons">
            <button type="button" class="button" onClick={() => decide("discard", id)}>
              <Icon name="trash" />
              Discard
            </button>
            <button type="button" class="button strong" onClick={() => decide("replay", id)}>
              <Icon name="again" />
              Replay
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function Facts({ job }: { job: Job }) {
  return (
    <dl class="facts">
      <dt>Job</dt>
      <dd>
        <code>{job.job}</code>
      </dd>
      {job.contentType && (
        <>
          <dt>Content</dt>
          <dd>
            <ContentName type={job.contentType} id={job.contentId} />
          </dd>
        </>
      )}
      <dt>Does</dt>
      <dd>{deedOf(job)}</dd>
      {job.userId && (
        <>
          <dt>User</dt>
          <dd>
            <bdi>{job.userId}</bdi>
          </dd>
        </>
      )}
      {job.recordId && (
        <>
          <dt>Record</dt>
          <dd>
            <a href={view(["audit", job.recordId])}>
              <code>{job.recordId}</code>
            </a>
          </dd>
        </>
      )}
      {job.requestId && (
        <>
          <dt>Request</dt>
          <dd>
            <a href={view("audit", { requestId: job.requestId })}>
              <code>{job.requestId}</code>
            </a>
          </dd>
        </>
      )}
      <dt>Attempts</dt>
      <dd>{job.attempts}</dd>
      <dt>Written</dt>
      <dd>{moment(new Date(job.createdAt))}</dd>
    </dl>
  );
}

/** What it would do to the count, in words. */
function deedOf({ delta, moved, from, to, platform }: Job): string {
  const told = [delta ? `${difference(delta)} to the count` : ""];
  if (from && to) told.push(`moves ${moved} from ${cell(from)} to ${cell(to)}`);
  else if (from || to) told.push(cell((to ?? from)!));
  if (platform && platform !== (to ?? from)?.channelId) told.push(platform);
  return told.filter(Boolean).join(", ") || "does not move the count";
}

const cell = ({ evidence, channelId, campaignId }: NonNullable<Job["to"]>): string =>
  [evidence, channelId, campaignId].filter(Boolean).join(" · ");

/** JSON with its lines broken; a job from another service has its name in a line before. */
function readable(payload: string): string {
  const [, name = "", body = payload] = /^([a-z_]+\n)?([^]*)$/.exec(payload) ?? [];
  try {
    return name + JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return payload;
  }
}

function Payload({ text }: { text: string }) {
  return (
    <section class="payload" aria-label="Payload">
      <h3>Payload</h3>
      <Copy text={text} label="Copy the payload" />
      <pre tabIndex={0}>{text}</pre>
    </section>
  );
}
