/** One dead letter: why it was parked, its effect on the count, and its payload. */

import { useQuery } from "../../api/query";
import type { ResponseBody } from "../../api/client";
import { difference, moment } from "../../locale";
import { Dialog } from "../../components/dialog";
import { Icon } from "../../components/icon";
import { ProblemNotice, Skeleton } from "../../components/states";
import { ContentLink, CopyButton } from "../../components/values";
import { view } from "../../urls";
import type { Decision } from "./decide";

type Job = ResponseBody<"/dead/{id}">;

interface Props {
  readonly id: string;
  readonly close: () => void;
  readonly decide: (decision: Decision, id: string) => void;
}

export function DeadLetter({ id, close, decide }: Props) {
  const { data, problem, refetch } = useQuery("/dead/{id}", { path: { id } });
  return (
    <Dialog title="Dead letter" sheet close={close}>
      <p class="life-id soft">
        <code>{id}</code>
        <CopyButton text={id} label="Copy the id" />
      </p>
      {problem && <ProblemNotice problem={problem} retry={refetch} />}
      {!data && !problem && <Skeleton rows={8} />}
      {data && (
        <>
          <p class="failed">
            <Icon name="warning" />
            <span>{data.reason}</span>
          </p>
          <Facts job={data} />
          {data.payload && <Payload text={formatPayload(data.payload)} />}
          <div class="buttons">
            <button type="button" class="button" onClick={() => decide("discard", id)}>
              <Icon name="trash" />
              Discard
            </button>
            <button type="button" class="button strong" onClick={() => decide("replay", id)}>
              <Icon name="retry" />
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
            <ContentLink type={job.contentType} id={job.contentId} />
          </dd>
        </>
      )}
      <dt>Effect</dt>
      <dd>{describeEffect(job)}</dd>
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
      <dt>Created</dt>
      <dd>{moment(new Date(job.createdAt))}</dd>
    </dl>
  );
}

/** The effect of the job on the count, in words. */
function describeEffect({ delta, moved, from, to, platform }: Job): string {
  const effects = [delta ? `${difference(delta)} to the count` : ""];
  if (from && to) effects.push(`moves ${moved} from ${cell(from)} to ${cell(to)}`);
  else if (from || to) effects.push(cell((to ?? from)!));
  if (platform && platform !== (to ?? from)?.channelId) effects.push(platform);
  return effects.filter(Boolean).join(", ") || "does not move the count";
}

const cell = ({ evidence, channelId, campaignId }: NonNullable<Job["to"]>): string =>
  [evidence, channelId, campaignId].filter(Boolean).join(" · ");

/** The payload as indented JSON; the payload of an external job begins with a line that contains its name. */
function formatPayload(payload: string): string {
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
      <CopyButton text={text} label="Copy the payload" />
      <pre tabIndex={0}>{text}</pre>
    </section>
  );
}
