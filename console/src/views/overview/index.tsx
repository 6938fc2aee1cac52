/** Overview: what happens now, what happened lately, and whether the service is well. */

import { useMay } from "../../api/session";
import { useStanding } from "../../live/hooks";
import { Page } from "../../parts/page";
import { Health } from "./health";
import { Minutes } from "./minutes";
import { Top } from "./top";
import { Totals } from "./totals";

export function Overview() {
  const may = useMay();
  return (
    <Page title="Overview" actions={may("analytics") && <Standing />}>
      {may("analytics") && (
        <>
          <Totals />
          <Minutes />
        </>
      )}
      <div class="columns">
        {may("analytics") && <Top />}
        {may("analytics", "admin") && <Health />}
      </div>
    </Page>
  );
}

const WORDS = { connecting: "Connecting", live: "Live", away: "Not live: connecting again" } as const;

function Standing() {
  const standing = useStanding();
  return (
    <span class={`standing ${standing}`} role="status">
      <span class="pulse" />
      {WORDS[standing]}
    </span>
  );
}
