"""What posting has cost: reserved within the transaction of the attempt, and read for people.

Lock order: idempotency keys, records, links, adjustments, posts, spending, delivery targets, deliveries. Of one day and
platform the total is locked before a user's share of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sharetally.domain.spending import Budget, BudgetScope, Charge, DaySpending


class SpendingWrites(Protocol):
    """Spending within an open transaction; each method raises the errors of the transaction."""

    async def reserve(self, charge: Charge, budget: Budget | None) -> BudgetScope | None:
        """Add the charge to what its day has cost, in total and for its user; without a budget there is no limit.

        If that would exceed a budget nothing is written, and the result says which one. However many transactions
        reserve at once, no budget is exceeded.
        """
        ...

    async def release(self, charges: Sequence[Charge]) -> None:
        """Take back charges that were reserved, each of which must be released once only."""
        ...


class SpendingStore(Protocol):
    """Reads spending; each method may raise `Unavailable`."""

    async def of_day(self, platform: str, day: str) -> DaySpending:
        """What this day has cost on this platform so far."""
        ...
