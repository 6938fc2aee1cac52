"""Budgets around a single call: what is reserved for it, what is given back, and when the next day begins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import Unavailable
from sharetally.domain.post import CannotTell, NotThere, Posted, TryLater
from sharetally.domain.share import RecordKey
from sharetally.domain.spending import Budget
from sharetally.flow.posting.budgets import Budgets
from tests.contracts.database_rows import open_empty_database

pytestmark = pytest.mark.anyio
MIDNIGHT = datetime(2026, 12, 2, tzinfo=UTC)
KEY = RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
LOOK = 100_000


class Clock:
    """Each reading is a moment later than the one before."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The time, after which a moment passes."""
        now, self.at = self.at, self.at + timedelta(milliseconds=1)
        return now


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as made:
        yield made


def budgets(db: SqlDatabase, total: int, at: datetime = MIDNIGHT - timedelta(hours=1)) -> Budgets:
    return Budgets(db, Clock(at), {"twitter": Budget(total=total)})


async def spent(db: SqlDatabase) -> int:
    return (await db.spending.of_day("twitter", "2026-12-01")).spent


@pytest.mark.parametrize(
    ("outcome", "cost"),
    [
        (Posted(external_id="1", external_url=None, cost=3_000), 3_000),
        (NotThere(cost=0), 0),
        (CannotTell(reason="it has more posts", cost=LOOK), LOOK),
        (TryLater(reason="the answer was lost"), LOOK),
        (None, LOOK),
    ],
)
async def test_a_call_costs_what_its_outcome_says(db: SqlDatabase, outcome: object, cost: int) -> None:
    during: list[int] = []

    async def call() -> object:
        during.append(await spent(db))
        return outcome

    assert await budgets(db, LOOK).call(KEY, LOOK, call) is outcome
    assert (during, await spent(db)) == ([LOOK], cost)


async def test_a_call_that_costs_too_much_is_not_made(db: SqlDatabase) -> None:
    async def call() -> object:
        raise AssertionError("it must not be made")

    found = await budgets(db, LOOK - 1).call(KEY, LOOK, call)
    assert found == TryLater(reason="what this service may spend on twitter today (UTC) is spent", at=MIDNIGHT)
    assert await spent(db) == 0


async def test_what_is_refused_in_the_last_moment_of_a_day_waits_for_a_moment_only(db: SqlDatabase) -> None:
    async def call() -> None:
        raise AssertionError("it must not be made")

    found = await budgets(db, 1, MIDNIGHT - timedelta(microseconds=1)).call(KEY, LOOK, call)
    assert isinstance(found, TryLater)
    assert found.at == MIDNIGHT


async def test_what_was_found_is_not_lost_when_nothing_can_be_given_back(
    db: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call() -> NotThere:
        def away() -> None:
            raise Unavailable("the database is away")

        monkeypatch.setattr(db, "transaction", away)
        return NotThere(cost=0)

    assert await budgets(db, LOOK).call(KEY, LOOK, call) == NotThere()
    assert await spent(db) == LOOK
