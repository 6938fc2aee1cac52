/** What became of each job. */

import type { Answer } from "../../api/client";
import { Icon } from "../../parts/icon";
import { Badge } from "../../parts/told";

export type Outcome = Answer<"/dead/replay", "post">["results"][number];

export function Outcomes({ outcomes, close }: { outcomes: readonly Outcome[]; close: () => void }) {
  return (
    <section class="card outcomes" role="status" aria-label="Outcome">
      <header class="card-head">
        <h2>What became of it</h2>
        <button type="button" class="button small quiet" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <ul>
        {outcomes.map(({ id, outcome, detail }) => (
          <li key={id}>
            <Badge word={outcome} tone={outcome === "not-found" ? "wait" : undefined} />
            <code class="clip">{id}</code>
            {detail && <span class="soft">{detail}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
