/** The health of the service: what is waiting, what was parked, and the latest verification run. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { callApi, type ResponseBody } from "../../api/client";
import { useQuery } from "../../api/query";
import { useAction } from "../../api/action";
import { useHasScope } from "../../api/session";
import { useNow } from "../../live/hooks";
import { count, difference, duration } from "../../locale";
import { view } from "../../urls";
import { Icon } from "../../components/icon";
import { Card } from "../../components/page";
import { ProblemNotice, Skeleton } from "../../components/states";
import { RelativeTime } from "../../components/values";

const REFRESH = 5000;
const LATE_SECONDS = 30;

type Status = ResponseBody<"/operation/status">;
type Tone = "good" | "wait" | "bad";

export function Health() {
  const hasScope = useHasScope();
  const { data, problem, refetch } = useQuery("/operation/status", {}, REFRESH);
  return (
    <Card title="Health">
      {problem && <ProblemNotice problem={problem} retry={refetch} />}
      {!problem && !data && <Skeleton rows={5} />}
      {data && (
        <dl class="health">
          <Pending status={data} />
          <Queues status={data} />
          <Dead parked={data.eventsParked} />
          <Drift last={data.lastVerify} />
        </dl>
      )}
      {data && hasScope("admin") && <Verify retry={refetch} />}
    </Card>
  );
}

function Line({
  name,
  tone,
  value,
  children,
}: {
  name: string;
  tone: Tone;
  value: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <div class={`health-line ${tone}`}>
      <dt>
        <span class="light" aria-label={{ good: "healthy", wait: "watch", bad: "unhealthy" }[tone]} role="img" />
        {name}
      </dt>
      <dd>
        <b class="num">{value}</b>
        <span class="soft">{children}</span>
      </dd>
    </div>
  );
}

function Pending({ status: { eventsPending, eventOldestSeconds } }: { status: Status }) {
  const late = eventsPending > 0 && eventOldestSeconds > LATE_SECONDS;
  return (
    <Line name="Waiting to be counted" tone={late ? "wait" : "good"} value={count(eventsPending)}>
      {eventsPending > 0 ? `oldest ${duration(eventOldestSeconds)}` : "all counted"}
    </Line>
  );
}

function Queues({ status: { queues } }: { status: Status }) {
  if (!queues) {
    return (
      <Line name="In queues" tone="wait" value="–">
        the broker does not answer
      </Line>
    );
  }
  const depth = queues.reduce((sum, queue) => sum + queue.depth, 0);
  const named = queues.filter((queue) => queue.depth > 0).map((queue) => `${queue.queue} ${count(queue.depth)}`);
  return (
    <Line name="In queues" tone="good" value={count(depth)}>
      {named.join(", ") || "empty"}
    </Line>
  );
}

function Dead({ parked }: { parked: number }) {
  const hasScope = useHasScope();
  return (
    <Line name="Dead letters" tone={parked ? "bad" : "good"} value={count(parked)}>
      {parked > 0 && hasScope("admin") ? <a href={view("dead")}>view them</a> : parked ? "parked" : "none"}
    </Line>
  );
}

function Drift({ last }: { last: Status["lastVerify"] }) {
  const now = useNow(10_000);
  if (!last) {
    return (
      <Line name="Drift" tone="wait" value="–">
        not verified yet
      </Line>
    );
  }
  return (
    <Line name="Drift" tone={last.drift ? "bad" : "good"} value={difference(last.drift)}>
      {count(last.contents)} {last.contents === 1 ? "content" : "contents"}, <RelativeTime at={last.at} now={Math.max(now, Date.parse(last.at))} />, in{" "}
      {duration(last.seconds)}
    </Line>
  );
}

/** Starts a verification run; its result is also announced to screen readers. */
function Verify({ retry }: { retry: () => void }) {
  const action = useAction();
  const [drift, setDrift] = useState<number>();
  const verify = () =>
    action.run(async () => {
      setDrift((await callApi("post", "/operation/verify")).drift);
      retry();
    });
  return (
    <>
      {action.problem && <ProblemNotice problem={action.problem} />}
      <div class="health-verify">
        <button type="button" class="button" disabled={action.busy} onClick={() => void verify()}>
          <Icon name="check" />
          {action.busy ? "Verifying…" : "Verify now"}
        </button>
        <p class="soft">Counted + waiting = ledger, for every cell of every content, in one snapshot.</p>
        <span class="hidden" role="status">
          {drift !== undefined && !action.busy && `Drift ${drift}`}
        </span>
      </div>
    </>
  );
}
