/** The result for each job. */

import { useEffect, useRef } from "preact/hooks";
import type { ResponseBody } from "../../api/client";
import { Icon } from "../../components/icon";
import { toTop } from "../../components/page";
import { Badge } from "../../components/values";

export type Outcome = ResponseBody<"/dead/replay", "post">["results"][number];

export function Outcomes({ outcomes, close }: { outcomes: readonly Outcome[]; close: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [outcomes]);
  return (
    <section class="card outcomes" role="status" aria-label="Outcome">
      <header class="card-head">
        <h2 ref={heading} tabIndex={-1}>
          Results
        </h2>
        <button type="button" class="button small quiet" aria-label="Close" onClick={() => (close(), toTop())}>
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
