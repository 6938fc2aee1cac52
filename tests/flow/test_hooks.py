"""Hooks: which may refuse, which are called when, and that a failing one fails only its own request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Conflict, Forbidden, Unavailable
from sharetally.domain.ids import new_id
from sharetally.domain.share import Trigger
from sharetally.flow.hooks import Hooks
from sharetally.flow.link_commands import CreateLink, DeleteLink, PatchLink
from sharetally.flow.share_commands import Share
from sharetally.flow.unit_of_work import Entity
from sharetally.flow.withdraw_commands import Withdraw
from sharetally.ports import Transaction
from tests.contracts.database_rows import (
    DATABASES,
    VIDEO,
    database_url_for,
    execute_sql,
    open_empty_database,
    query_int,
    record,
)
from tests.flow.harness import Harness, open_harness

pytestmark = pytest.mark.anyio
ANNA = Caller(user_id="anna", actor="anna", scopes=frozenset({"shares"}))


# who may refuse


class Doorkeeper:
    """Refuses `banned`, and says why for others."""

    async def may_share(self, user_id: str, content: ContentRef, platform: str) -> bool:
        return user_id != "banned" and platform != "fax"

    async def before_create(self, entity: Entity) -> None:
        if entity.content.id == "taken":
            raise Conflict("somebody has it")

    async def before_delete(self, entity: Entity) -> None:
        raise Forbidden("nothing is taken back here")


class Silent:
    """Has no method that anybody would call."""


async def test_false_refuses() -> None:
    hooks = Hooks([Silent(), Doorkeeper()])
    await hooks.may_share("anna", VIDEO, "twitter")
    with pytest.raises(Forbidden, match="not allowed to share this on fax"):
        await hooks.may_share("anna", VIDEO, "fax")
    with pytest.raises(Forbidden):
        await hooks.may_share("banned", VIDEO, "twitter")


async def test_an_error_raised_by_a_hook_refuses_the_share() -> None:
    hooks = Hooks([Doorkeeper()])
    await hooks.before_create(record())
    with pytest.raises(Conflict, match="somebody has it"):
        await hooks.before_create(record(content=VIDEO._replace(id="taken")))
    with pytest.raises(Forbidden):
        await hooks.before_delete(record())


async def test_a_hook_that_takes_too_long_is_an_outage() -> None:
    class Asleep:
        async def may_share(self, *_: object) -> bool:
            await asyncio.Event().wait()
            return True

    with pytest.raises(Unavailable, match="longer than 50 ms; nothing was written"):
        await Hooks([Asleep()]).may_share("anna", VIDEO, "twitter")


def test_without_writing_hooks_no_savepoints_are_used() -> None:
    assert not Hooks([])
    assert (bool(Hooks([Doorkeeper()])), Hooks([Doorkeeper()]).write) == (True, False)
    assert Hooks([Doorkeeper(), Diary()]).write


# which hooks are called


class Diary:
    """Keeps its own table, in the transaction that it is given; `trouble` happens after the write."""

    def __init__(self) -> None:
        self.trouble = ""

    async def after_create(self, tx: Transaction, entity: Entity) -> None:
        await self._note(tx, "created", entity)

    async def after_update(self, tx: Transaction, before: Entity, after: Entity) -> None:
        await self._note(tx, "updated", after)

    async def after_delete(self, tx: Transaction, entity: Entity) -> None:
        await self._note(tx, "deleted", entity)

    async def _note(self, tx: Transaction, what: str, entity: Entity) -> None:
        row = {"id": str(new_id()), "what": what, "who": entity.user_id, "kind": type(entity).__name__}
        await tx.execute("INSERT INTO diary (id, what, who, kind) VALUES (:id, :what, :who, :kind)", row)
        if entity.user_id == self.trouble:
            raise RuntimeError("the diary is full")


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        await execute_sql(made, "DROP TABLE IF EXISTS diary")
        await execute_sql(
            made,
            "CREATE TABLE diary (id VARCHAR(36) PRIMARY KEY, what VARCHAR(16), who VARCHAR(128), kind VARCHAR(16), "
            "amount BIGINT, price DOUBLE PRECISION)",
        )
        yield made


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
async def harness(db: SqlDatabase, diary: Diary) -> AsyncIterator[Harness]:
    async with open_harness(db, MemoryBroker(), hooks=[Silent(), diary]) as made:
        yield made


async def noted(db: SqlDatabase) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in await execute_sql(db, "SELECT what, who, kind FROM diary ORDER BY id")]


def share(user: str, request: Trigger = Trigger.DECLARE) -> Share:
    caller = ANNA._replace(user_id=user)
    return Share(content=VIDEO, caller=caller, platforms=["twitter"], trigger=request)


async def test_the_life_of_a_share(harness: Harness) -> None:
    submit = harness.committer.submit
    await submit(share("anna"))
    await submit(share("anna"))  # changes nothing
    await submit(share("anna", Trigger.FORCE))
    await submit(Withdraw(content=VIDEO, caller=ANNA, platform="twitter"))
    await submit(share("anna"))
    expected = ["created", "updated", "deleted", "updated"]
    assert await noted(harness.db) == [(what, "anna", "ShareRecord") for what in expected]
    assert await harness.counts_match_ledger()


async def test_the_life_of_a_link(harness: Harness) -> None:
    submit = harness.committer.submit
    made = await submit(
        CreateLink(content=VIDEO, caller=ANNA, url="https://example.org/", channel="", campaign="", expires_at=None)
    )
    await submit(PatchLink(link_id=made.id, caller=ANNA, fields={"channel": "mail"}))
    await submit(PatchLink(link_id=made.id, caller=ANNA, fields={"channel": "mail"}))  # changes nothing
    await submit(DeleteLink(link_id=made.id, caller=ANNA))
    assert await noted(harness.db) == [(what, "anna", "ShareLink") for what in ("created", "updated", "deleted")]
    assert await harness.counts_match_ledger()


async def test_a_failing_hook_fails_only_its_own_request(harness: Harness, diary: Diary) -> None:
    diary.trouble = "user-3"
    users = [f"user-{each}" for each in range(8)]
    answers = await asyncio.gather(*(harness.committer.submit(share(user)) for user in users), return_exceptions=True)
    assert [str(answer) for answer in answers if isinstance(answer, Exception)] == ["the diary is full"]
    assert isinstance(answers[3], RuntimeError)
    others = sorted(user for user in users if user != "user-3")
    assert sorted(str(who) for _, who, _ in await noted(harness.db)) == others
    assert await query_int(harness.db, "SELECT count(*) FROM share_records") == 7
    assert await query_int(harness.db, "SELECT count(*) FROM events") == 7
    assert await harness.counts_match_ledger()
    diary.trouble = ""
    assert not (await harness.committer.submit(share("user-3")))[0].already_shared


# what they may say to the database


async def test_statements_with_named_values(db: SqlDatabase) -> None:
    who = "J\u00fcrgen 'O\\' \U0001f3ac"
    row: dict[str, Any] = {"id": "1", "what": "100% :done", "who": who, "amount": 2**53, "price": 0.1}
    async with db.transaction() as tx:
        wrote = await tx.execute(
            "INSERT INTO diary (id, what, who, kind, amount, price) VALUES (:id, :what, :who, :kind, :amount, :price)",
            {**row, "kind": None},
        )
        looked = "SELECT * FROM diary WHERE id = :id AND what LIKE '100%' AND kind IS NULL"
        found = await tx.execute(looked, {"id": "1"})
        changed = await tx.execute("UPDATE diary SET amount = amount + :more WHERE id = :id", {"id": "1", "more": 1})
        again = await tx.execute("SELECT amount FROM diary WHERE who = :who AND who = :who", {"who": who})
        nothing = await tx.execute("SELECT * FROM diary WHERE id = :id", {"id": "2"})
    assert [dict(each) for each in found] == [{**row, "kind": None}]
    assert (list(wrote), list(changed), list(nothing)) == ([], [], [])
    assert [dict(each) for each in again] == [{"amount": 2**53 + 1}]


async def test_a_statement_without_its_value_fails_alone(db: SqlDatabase) -> None:
    async with db.transaction() as tx:
        with pytest.raises(Exception, match="id"):
            await tx.execute("SELECT * FROM diary WHERE id = :id", {})
        assert list(await tx.execute("SELECT * FROM diary", {})) == []
