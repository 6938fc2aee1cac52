/** The overview: current activity, recent totals, and the health of the service. */

import { useHasScope } from "../../api/session";
import { useConnectionState } from "../../live/hooks";
import { Page } from "../../components/page";
import { Health } from "./health";
import { Minutes } from "./minutes";
import { Top } from "./top";
import { Totals } from "./totals";

export function Overview() {
  const hasScope = useHasScope();
  return (
    <Page title="Overview" actions={hasScope("analytics") && <ConnectionStatus />}>
      {hasScope("analytics") && (
        <>
          <Totals />
          <Minutes />
        </>
      )}
      <div class="columns">
        {hasScope("analytics") && <Top />}
        {hasScope("analytics", "admin") && <Health />}
      </div>
    </Page>
  );
}

const LABELS = { connecting: "Connecting", live: "Live", away: "Not live: reconnecting" } as const;

function ConnectionStatus() {
  const state = useConnectionState();
  return (
    <span class={`standing ${state}`} role="status">
      <span class="pulse" />
      {LABELS[state]}
    </span>
  );
}
