"""What posting costs: reserved under the locks of the total and of the user, and read for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.engine import Engine
from sharetally.domain.post import PostStatus
from sharetally.domain.spending import Budget, BudgetScope, Charge, DaySpending
from sharetally.ports.spending import SpendingStore, SpendingWrites

_SPENDING, _POSTS = tables.spending, tables.posts
_KEY = ("platform", "day", "user_id")
_TOTAL = ""  # no user has this id


class SqlSpendingWrites(SpendingWrites):
    """Writes over the connection of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def reserve(self, charge: Charge, budget: Budget | None) -> BudgetScope | None:
        """Lock both rows, which are created first if they are missing, and add to both or to neither."""
        total, user = ((charge.platform, charge.day, user_id) for user_id in (_TOTAL, charge.user_id))
        await self._add({total: 0, user: 0})
        rows = await self._connection.select(_SPENDING, _KEY, [total, user], lock=True)
        spent = {row["user_id"]: row["amount"] for row in rows}
        if budget is not None:
            if spent[_TOTAL] + charge.amount > budget.total:
                return BudgetScope.TOTAL
            if budget.per_user is not None and spent[charge.user_id] + charge.amount > budget.per_user:
                return BudgetScope.USER
        await self._add({total: charge.amount, user: charge.amount})
        return None

    async def release(self, charges: Sequence[Charge]) -> None:
        """Subtract the charges in the order of the keys."""
        amounts: Counter[tuple[str, str, str]] = Counter()
        for platform, day, user_id, amount in charges:
            amounts[platform, day, _TOTAL] -= amount
            amounts[platform, day, user_id] -= amount
        await self._add(amounts)

    async def _add(self, amounts: Mapping[tuple[str, str, str], int]) -> None:
        rows = [dict(zip(_KEY, key, strict=True), amount=amount) for key, amount in sorted(amounts.items())]
        await self._connection.upsert(self._connection.batch(_SPENDING, rows), {"amount": "{t}.amount + {amount}"})


class SqlSpendingStore(SpendingStore):
    """Reads `spending`, and of `posts` those that may be there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of_day(self, platform: str, day: str) -> DaySpending:
        """Read the row of the total, and add up what the few open posts have reserved."""
        spent = sa.select(_SPENDING.c.amount).where(
            _SPENDING.c.platform == platform, _SPENDING.c.day == day, _SPENDING.c.user_id == _TOTAL
        )
        unknown = sa.select(_POSTS.c.charged).where(
            _POSTS.c.status.in_((PostStatus.SENDING.value, PostStatus.UNKNOWN.value)),
            _POSTS.c.platform == platform,
            _POSTS.c.charged_on == day,
        )
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(spent)
            reserved = await connection.rows(unknown)
        return DaySpending(spent=rows[0]["amount"] if rows else 0, unknown=sum(row["charged"] for row in reserved))
