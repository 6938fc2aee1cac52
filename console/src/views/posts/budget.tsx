/** What posts may cost today, and have cost, on each platform that takes money; nothing if that cannot be found out. */

import type { ResponseBody } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { useQuery } from "../../api/query";
import { Card } from "../../components/page";
import { Timestamp } from "../../components/values";
import { money } from "../../locale";

const REFRESH = 15_000;
type Budget = ResponseBody<"/posts/budget">["items"][number];

export function Budgets() {
  const { data } = useQuery("/posts/budget", {}, REFRESH);
  if (!data?.items.length) return null;
  return (
    <Card title="What posts cost today">
      <ul class="bars">
        {data.items.map((budget) => (
          <PlatformBudget key={budget.platform} budget={budget} />
        ))}
      </ul>
    </Card>
  );
}

function PlatformBudget({ budget }: { budget: Budget }) {
  const { platform, budgetMicros, userBudgetMicros, spentMicros, unknownMicros, currency, resetsAt, whenSpent } = budget;
  const { label } = usePlatforms();
  const isSpent = spentMicros >= budgetMicros;
  const amount = (micros: number) => money(micros, currency);
  return (
    <li>
      <span class="bar-name">{label(platform)}</span>
      <span class="bar-value num">
        {amount(spentMicros)} of {amount(budgetMicros)}
      </span>
      <span
        class="bar"
        style={{
          "--part": budgetMicros ? Math.min(1, spentMicros / budgetMicros) : 1,
          "--colour": isSpent ? "var(--bad)" : undefined,
        }}
      />
      <p class="budget-note">
        {isSpent ? "The budget is spent: further posts " : "Once it is spent, posts "}
        {whenSpent === "wait" ? "wait for the next day" : "fail"}. A new budget begins <Timestamp at={resetsAt} />.
        {userBudgetMicros !== null && ` Each user can spend ${amount(userBudgetMicros)} a day.`}
        {unknownMicros > 0 && ` ${amount(unknownMicros)} are for posts of which nobody knows whether they are there.`}
      </p>
    </li>
  );
}
