"""What posting costs: no budget is ever exceeded, and what is released can be spent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.ids import new_id
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import RecordKey
from sharetally.domain.spending import Budget, BudgetScope, Charge, DaySpending
from sharetally.ports import Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    database_url_for,
    open_database,
    open_empty_database,
    retry_transient,
    write_rows,
)

pytestmark = pytest.mark.anyio
TODAY, TOMORROW = "2026-12-01", "2026-12-02"
POST = 200_000
BUDGET = Budget(total=10 * POST, per_user=4 * POST)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


def charge(user: str = "anna", amount: int = POST, day: str = TODAY) -> Charge:
    return Charge(platform="twitter", day=day, user_id=user, amount=amount)


async def reserve(db: SqlDatabase, wanted: Charge, budget: Budget | None = BUDGET) -> BudgetScope | None:
    async def once() -> BudgetScope | None:
        async with db.transaction() as tx:
            return await tx.spending.reserve(wanted, budget)

    return await retry_transient(once)


async def spent(db: SqlDatabase, day: str = TODAY) -> int:
    return (await db.spending.of_day("twitter", day)).spent


async def test_nothing_is_spent_at_first(db: SqlDatabase) -> None:
    assert await db.spending.of_day("twitter", TODAY) == DaySpending(spent=0, unknown=0)


async def test_a_user_spends_up_to_their_own_budget(db: SqlDatabase) -> None:
    assert [await reserve(db, charge()) for _ in range(5)] == [None] * 4 + [BudgetScope.USER]
    assert await reserve(db, charge(amount=1)) is BudgetScope.USER
    assert await reserve(db, charge("bert")) is None
    assert await spent(db) == 5 * POST


async def test_all_users_spend_up_to_the_total(db: SqlDatabase) -> None:
    users = [f"user-{number}" for number in range(11)]
    assert [await reserve(db, charge(user)) for user in users] == [None] * 10 + [BudgetScope.TOTAL]
    assert await spent(db) == BUDGET.total


async def test_a_budget_can_be_spent_to_the_last_micro_dollar(db: SqlDatabase) -> None:
    budget = Budget(total=POST + 1)
    assert await reserve(db, charge(), budget) is None
    assert await reserve(db, charge(amount=2), budget) is BudgetScope.TOTAL
    assert await reserve(db, charge(amount=1), budget) is None
    assert await spent(db) == POST + 1


async def test_without_a_budget_spending_is_recorded(db: SqlDatabase) -> None:
    assert [await reserve(db, charge(), None) for _ in range(20)] == [None] * 20
    assert await spent(db) == 20 * POST


async def test_each_day_and_each_platform_has_its_own(db: SqlDatabase) -> None:
    tight = Budget(total=POST)
    assert await reserve(db, charge(), tight) is None
    assert await reserve(db, charge(), tight) is BudgetScope.TOTAL
    assert await reserve(db, charge(day=TOMORROW), tight) is None
    assert await reserve(db, charge()._replace(platform="other"), tight) is None
    assert (await spent(db), await spent(db, TOMORROW)) == (POST, POST)


async def test_what_is_released_can_be_spent_again(db: SqlDatabase) -> None:
    tight = Budget(total=2 * POST, per_user=POST)
    assert [await reserve(db, charge(user), tight) for user in ("anna", "bert")] == [None, None]
    await write_rows(db, Writes(released=[charge("anna"), charge("bert")]))
    assert await spent(db) == 0
    assert [await reserve(db, charge("anna"), tight) for _ in range(2)] == [None, BudgetScope.USER]


async def test_a_reservation_is_rolled_back_with_its_transaction(db: SqlDatabase) -> None:
    async def cause() -> None:
        async with db.transaction() as tx:
            assert await tx.spending.reserve(charge(), BUDGET) is None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cause()
    assert await spent(db) == 0


@pytest.mark.parametrize(
    ("budget", "users", "allowed"),
    [
        (Budget(total=7 * POST), 40, 7),
        (Budget(total=100 * POST, per_user=3 * POST), 1, 3),
        (Budget(total=9 * POST, per_user=2 * POST), 5, 9),
    ],
    ids=["total", "user", "both"],
)
async def test_however_many_reserve_at_once_no_budget_is_exceeded(
    url: str, db: SqlDatabase, budget: Budget, users: int, allowed: int
) -> None:
    async with open_database(url) as other:
        wanted = [charge(f"user-{number % users}") for number in range(40)]
        outcomes = await asyncio.gather(
            *(reserve(process, each, budget) for each, process in zip(wanted, [db, other] * 20, strict=True))
        )
    assert outcomes.count(None) == allowed
    assert await spent(db) == allowed * POST


async def test_reservations_and_releases_at_once_add_up(url: str, db: SqlDatabase) -> None:
    """Each gives back what it has reserved, so that in the end nothing is spent."""

    async def come_and_go(process: SqlDatabase, user: str) -> None:
        for _ in range(5):
            assert await reserve(process, charge(user), None) is None
            await retry_transient(lambda: write_rows(process, Writes(released=[charge(user)])))

    async with open_database(url) as other:
        await asyncio.gather(
            *(come_and_go(process, f"user-{number % 3}") for number, process in enumerate([db, other] * 4))
        )
    assert await spent(db) == 0


async def test_what_unknown_posts_have_reserved_is_told_apart(db: SqlDatabase) -> None:
    def post(status: PostStatus, **changes: object) -> Post:
        record_id, key = new_id(), RecordKey(content_type="video", content_id="abc", platform="twitter", user_id="anna")
        made = Post(
            id=new_id(), record_id=record_id, key=key, account_id=new_id(), number=1, status=status, text="a", url="b",
            created_at=AT, charge=charge(),
        )  # fmt: skip
        return made._replace(**changes)  # type: ignore[arg-type]

    made = [
        post(PostStatus.SENDING),
        post(PostStatus.UNKNOWN),
        post(PostStatus.SUCCESS),
        post(PostStatus.PENDING, charge=None),
        post(PostStatus.UNKNOWN, charge=charge(day=TOMORROW)),
    ]
    await write_rows(db, Writes(new_posts={each.id: each for each in made}))
    for each in made:
        if each.charge is not None:
            await reserve(db, each.charge, None)
    assert await db.spending.of_day("twitter", TODAY) == DaySpending(spent=3 * POST, unknown=2 * POST)
    assert [await db.posts.by_id(each.id) for each in made] == made
