"""What posting has cost today, for operators: read by the API, by `doctor` and by a scrape of the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sharetally.domain.spending import Budget, PlatformSpending, day_of, end_of
from sharetally.ports import Clock
from sharetally.ports.spending import SpendingStore


@dataclass(frozen=True, kw_only=True, slots=True)
class PostSpending:
    """The platforms that have a budget; `spent_fails` says whether posts fail once it is spent, or wait."""

    store: SpendingStore
    clock: Clock
    budgets: Mapping[str, Budget]
    spent_fails: bool = False

    async def today(self) -> Sequence[PlatformSpending]:
        """By platform; `Unavailable` if the database does not answer."""
        day = day_of(self.clock.now())
        return [
            PlatformSpending(
                platform=platform,
                budget=budget,
                day=await self.store.of_day(platform, day),
                renewed_at=end_of(day),
            )
            for platform, budget in self.budgets.items()
        ]
