"""Hooks that write: inside the transaction, each request in its savepoint, so that one that fails fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import Conflict, DataRejected, NotFound, Unavailable
from sharetally.domain.event import Event
from sharetally.domain.ids import new_id
from sharetally.domain.share import ShareRecord, Status, Trigger
from sharetally.flow.unit_of_work import Entity
from sharetally.ports import AuditFilter, LockSet, Transaction
from tests.contracts.database_rows import AT, DATABASES, SERVERS, database_url_for, execute_sql, open_empty_database
from tests.flow.running_committer import (
    GENEROUS_TIMEOUT,
    VIDEO,
    already_shared_flags,
    gather_outcomes,
    idempotent,
    run_committer,
    share,
    withdraw,
)

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)

NEIGHBOURS = [f"user {each}" for each in range(6)]
HURRY = 0.5  # seconds for hooks of which one takes too long; its neighbours need a hundredth of it
SLOW = {"postgresql": "SELECT pg_sleep(1)", "mysql": "SELECT SLEEP(1)"}  # twice of it


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    """With a table that belongs to the hooks."""
    async with open_empty_database(url) as made:
        await execute_sql(made, "DROP TABLE IF EXISTS hooked")
        await execute_sql(made, "CREATE TABLE hooked (name VARCHAR(64) PRIMARY KEY)")
        yield made


async def note(tx: Transaction, name: str) -> None:
    await tx.execute("INSERT INTO hooked (name) VALUES (:name)", {"name": name})


async def noted(db: SqlDatabase) -> list[str]:
    return [str(row["name"]) for row in await execute_sql(db, "SELECT name FROM hooked ORDER BY name")]


def who(entity: Entity) -> str:
    assert isinstance(entity, ShareRecord)
    return entity.user_id


class Notes:
    """Notes who shared; for berta it does something else, or just that."""

    async def after_create(self, tx: Transaction, entity: Entity) -> None:
        """Note the user."""
        await note(tx, who(entity))
        if who(entity) == "berta":
            await self.for_berta(tx)

    async def for_berta(self, tx: Transaction) -> None:
        """What goes wrong."""


class Raises(Notes):
    """Has a fault."""

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        raise ZeroDivisionError


class Refuses(Notes):
    """Says no after all."""

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        raise Conflict("berta has shared enough")


class Waits(Notes):
    """Takes longer than it has."""

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        await asyncio.Event().wait()


class Misspells(Notes):
    """Sends the database a statement that it does not understand."""

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        await tx.execute("INSERT INTO no_such_table VALUES (1)", {})


class Swallows(Notes):
    """Sends the database a statement that it does not understand, and continues as if nothing had happened."""

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        with suppress(Exception):
            await tx.execute("INSERT INTO no_such_table VALUES (1)", {})


class Repeats(Notes):
    """Is in its own way: the same row twice."""

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        await note(tx, "berta")


class Lingers(Notes):
    """Runs a statement that takes longer than the hook has."""

    def __init__(self, statement: str) -> None:
        self._statement = statement

    async def for_berta(self, tx: Transaction) -> None:
        """Never."""
        await tx.execute(self._statement, {})


async def berta_alone_fails(db: SqlDatabase, hook: Notes, hook_seconds: float = GENEROUS_TIMEOUT) -> Exception:
    """Berta between her neighbours: theirs is committed, nothing of hers is; returns the error that she gets."""
    async with run_committer(db, hooks=[hook], hook_seconds=hook_seconds) as work:
        wanted = [*NEIGHBOURS[:3], "berta", *NEIGHBOURS[3:]]
        outcomes = await gather_outcomes(work.committer.submit(share(user)) for user in wanted)
        refused = outcomes.pop(3)
        assert already_shared_flags(outcomes) == [False] * 6
        assert {event.user_id for event in work.published} == set(NEIGHBOURS)
    assert await noted(db) == NEIGHBOURS
    assert await db.shares.of_user(VIDEO, "berta") == {}
    assert {line.user_id for line in await db.audit.page(AuditFilter(), limit=50, after=None)} == set(NEIGHBOURS)
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()
    assert (await db.counts.exact([VIDEO]))[0].shares == 6
    assert isinstance(refused, Exception)
    return refused


async def test_rows_written_by_a_hook_are_committed_with_the_share(db: SqlDatabase) -> None:
    async with run_committer(db, hooks=[Notes()]) as work:
        outcomes = await asyncio.gather(*(work.committer.submit(share(user)) for user in NEIGHBOURS))
        again = await work.committer.submit(share(NEIGHBOURS[0]))
    assert already_shared_flags([*outcomes, again]) == [False] * 6 + [True]
    assert await noted(db) == NEIGHBOURS


async def test_a_hook_with_a_fault_fails_alone(db: SqlDatabase) -> None:
    assert isinstance(await berta_alone_fails(db, Raises()), ZeroDivisionError)


async def test_a_refusing_hook_refuses_only_its_own_request(db: SqlDatabase) -> None:
    refused = await berta_alone_fails(db, Refuses())
    assert isinstance(refused, Conflict)
    assert refused.detail == "berta has shared enough"


async def test_a_hook_that_is_too_slow_fails_alone(db: SqlDatabase) -> None:
    refused = await berta_alone_fails(db, Waits(), HURRY)
    assert isinstance(refused, Unavailable)
    assert "nothing was written" in refused.detail


async def test_a_hook_with_invalid_sql_fails_alone(db: SqlDatabase) -> None:
    await berta_alone_fails(db, Misspells())


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_hook_whose_statement_the_server_aborts_fails_alone(db: SqlDatabase) -> None:
    """As an operator's statement_timeout does."""
    hurried = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$"
    assert isinstance(await berta_alone_fails(db, Lingers(hurried)), Unavailable)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_hook_that_swallows_a_failed_statement_fails_alone(db: SqlDatabase) -> None:
    """PostgreSQL does nothing more in a transaction that had an error; the other databases forget the statement."""
    assert isinstance(await berta_alone_fails(db, Swallows()), DataRejected)


async def test_a_hook_that_inserts_a_duplicate_row_fails_alone(db: SqlDatabase) -> None:
    refused = await berta_alone_fails(db, Repeats())
    assert isinstance(refused, Unavailable)
    assert "nothing was written" in refused.detail


@on_servers
async def test_a_hook_whose_statement_is_too_slow_fails_alone(db: SqlDatabase, url: str) -> None:
    """The connection may be lost with it; the others do not notice."""
    refused = await berta_alone_fails(db, Lingers(SLOW[url.split(":")[0]]), HURRY)
    assert isinstance(refused, Unavailable)


async def test_the_answer_to_a_failed_hook_is_not_stored(db: SqlDatabase) -> None:
    async with run_committer(db, hooks=[Refuses()]) as work:
        with pytest.raises(Conflict):
            await work.committer.submit_idempotent(share("berta"), idempotent("k", user="berta"))
    async with run_committer(db) as work:
        answer = await work.committer.submit_idempotent(share("berta"), idempotent("k", user="berta"))
    assert answer.body.endswith(b" False")


async def test_hook_events_commit_and_roll_back_with_their_request(db: SqlDatabase) -> None:
    told = {user: Event(id=new_id(), job="told", content=VIDEO, at=AT, user_id=user) for user in ("anna", "berta")}

    class Tells(Refuses):
        """Emits an event of its own before anything goes wrong."""

        async def after_create(self, tx: Transaction, entity: Entity) -> None:
            """One for each."""
            await tx.emit([told[who(entity)]])
            await super().after_create(tx, entity)

    async with run_committer(db, hooks=[Tells()]) as work:
        await gather_outcomes(work.committer.submit(share(user)) for user in told)
        published = {(event.job, event.user_id) for event in work.published}
    assert published == {("share_created", "anna"), ("told", "anna")}
    assert (await db.events.backlog()).pending == 2


async def test_a_rejected_command_runs_no_hook(db: SqlDatabase) -> None:
    async with run_committer(db, hooks=[Notes()]) as work:
        with pytest.raises(NotFound):
            await work.committer.submit(withdraw("anna"))
    assert await noted(db) == []


async def test_twins_in_one_commit_run_their_hook_once(db: SqlDatabase) -> None:
    async with run_committer(db, hooks=[Notes()]) as work:
        answers = await asyncio.gather(*(work.committer.submit_idempotent(share(), idempotent("k")) for _ in range(5)))
    assert len(set(answers)) == 1
    assert await noted(db) == ["anna"]


async def test_hooks_see_the_record_before_and_after_the_change(db: SqlDatabase) -> None:
    told: list[tuple[str, tuple[Status, int], tuple[Status, int] | None]] = []

    class Listens:
        """Remembers its calls."""

        async def after_create(self, tx: Transaction, entity: Entity) -> None:
            """It is there already, in this transaction."""
            assert isinstance(entity, ShareRecord)
            assert (await tx.lock(LockSet(records=frozenset({entity.key})))).records == {entity.key: entity}
            told.append(("created", _stand(entity), None))

        async def after_update(self, tx: Transaction, before: Entity, after: Entity) -> None:
            """Both."""
            told.append(("updated", _stand(before), _stand(after)))

        async def after_delete(self, tx: Transaction, entity: Entity) -> None:
            """The entity as it was before."""
            told.append(("deleted", _stand(entity), None))

    async with run_committer(db, hooks=[Listens()]) as work:
        for command in (share(), share(request=Trigger.FORCE), withdraw(), share()):
            await work.committer.submit(command)
    live, gone = Status.SUCCESS, Status.WITHDRAWN
    assert told == [
        ("created", (live, 1), None),
        ("updated", (live, 1), (live, 2)),
        ("deleted", (live, 2), None),
        ("updated", (gone, 2), (live, 3)),
    ]


def _stand(entity: Entity) -> tuple[Status, int]:
    assert isinstance(entity, ShareRecord)
    return entity.status, entity.attempt_count
