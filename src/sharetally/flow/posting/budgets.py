"""The budgets of platforms that charge: what a call may cost is reserved before it is made.

What an attempt to post reserves is stored with the post, in the transaction that stores the attempt. It stays spent
until it is certain that the post is not there. Looks and deletions are charged, too; they give back what they did not
cost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from sharetally.domain.errors import SharetallyError
from sharetally.domain.post import CallOutcome, Post, TryLater
from sharetally.domain.share import RecordKey
from sharetally.domain.spending import Budget, BudgetScope, Charge, day_of, end_of
from sharetally.flow.retry import retry_transaction
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import Clock, Ledger, Transaction, Writes

T = TypeVar("T")
REASONS: Mapping[BudgetScope, str] = {
    BudgetScope.TOTAL: "what this service may spend on {platform} today (UTC) is spent",
    BudgetScope.USER: "what one user may spend on {platform} today (UTC) is spent",
}


class Budgets:
    """Reserves and gives back; a platform without a budget has no limit, and what it costs is recorded all the same."""

    def __init__(self, ledger: Ledger, clock: Clock, budgets: Mapping[str, Budget]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._budgets = budgets

    def charge(self, key: RecordKey, amount: int) -> Charge | None:
        """What is charged today; None where nothing is."""
        if not amount:
            return None
        return Charge(platform=key.platform, day=day_of(self._clock.now()), user_id=key.user_id, amount=amount)

    async def reserve(self, tx: Transaction, charge: Charge) -> str | None:
        """Reserve in this transaction; otherwise the reason why that would be too much."""
        exceeded = await tx.spending.reserve(charge, self._budgets.get(charge.platform))
        return None if exceeded is None else REASONS[exceeded].format(platform=charge.platform)

    async def call(self, key: RecordKey, amount: int, call: Callable[[], Awaitable[T]]) -> T | TryLater:
        """Make a call that costs at most this much; `TryLater`, and no call, where that would be too much."""
        charge = self.charge(key, amount)
        if charge is None:
            return await call()
        if reason := await retry_transaction(lambda: self._reserve(charge)):
            return TryLater(reason=reason, at=end_of(charge.day))
        outcome = await call()
        if isinstance(outcome, CallOutcome) and outcome.cost is not None and outcome.cost < amount:
            unused = charge._replace(amount=amount - outcome.cost)
            with suppress(SharetallyError):  # then it stays spent; the outcome matters more
                await retry_transaction(lambda: self._release(unused))
        return outcome

    async def _reserve(self, charge: Charge) -> str | None:
        async with self._ledger.transaction() as tx:
            return await self.reserve(tx, charge)

    async def _release(self, charge: Charge) -> None:
        async with self._ledger.transaction() as tx:
            await tx.write(Writes(released=[charge]))


def without_charge(work: UnitOfWork, post: Post) -> Post:
    """The post, which is certainly not there: what it had reserved is released."""
    if post.charge is not None:
        work.release(post.charge)
    return post._replace(charge=None)
