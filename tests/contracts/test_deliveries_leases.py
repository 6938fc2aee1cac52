"""Leases do not depend on clocks: a worker whose counter stops loses them, and its late outcome is ignored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.delivery import Dead, Done, Retry
from sharetally.domain.ids import new_id
from sharetally.ports import Target
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    database_url_for,
    execute_sql,
    open_database,
    open_empty_database,
    retry_transient,
)
from tests.contracts.delivery_rows import (
    EPOCH,
    KINDS,
    JumpingClock,
    claim,
    consistent,
    enqueue,
    finish,
    logged,
    new,
    registered,
    states,
)

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made
        assert await consistent(made)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> JumpingClock:
    return JumpingClock(monkeypatch)


async def test_a_worker_counts_its_heartbeats(db: SqlDatabase) -> None:
    worker = await registered(db)
    assert await db.deliveries.heartbeats() == {worker: 0}
    assert await db.deliveries.heartbeat(worker, 0)
    assert await db.deliveries.heartbeat(worker, 0)
    assert await db.deliveries.heartbeats() == {worker: 2}
    await db.deliveries.leave(worker)
    assert await db.deliveries.heartbeats() == {}
    assert not await db.deliveries.heartbeat(worker, 2)


async def test_a_counter_that_a_restore_has_set_back_renews_nothing(db: SqlDatabase) -> None:
    worker = await registered(db)
    assert await db.deliveries.heartbeat(worker, 0)
    assert not await db.deliveries.heartbeat(worker, 2)
    assert await db.deliveries.heartbeats() == {worker: 1}


async def test_workers_are_idle_while_none_has_a_heartbeat(db: SqlDatabase, clock: JumpingClock) -> None:
    assert await db.deliveries.idle_since(HOUR) is not None
    early, late = await registered(db), await registered(db)
    assert await db.deliveries.idle_since(HOUR) is None
    clock.ahead = timedelta(minutes=50)
    await db.deliveries.heartbeat(late, 0)
    clock.ahead = timedelta(minutes=100)
    assert await db.deliveries.idle_since(HOUR) is None
    clock.ahead = timedelta(minutes=111)
    since = await db.deliveries.idle_since(HOUR)
    assert since is not None
    assert timedelta(minutes=50) < since - await db.events.now() < timedelta(minutes=52)
    await db.deliveries.heartbeat(early, 0)
    assert await db.deliveries.idle_since(HOUR) is None


async def test_a_killed_workers_deliveries_go_back_to_waiting(db: SqlDatabase) -> None:
    killed, living = await registered(db), await registered(db)
    written = await enqueue(db, new(), new(Target("hook", "another", "hook")))
    await claim(db, killed)
    assert await claim(db, living) == []
    assert await db.deliveries.take_over(killed, 0) == 2
    assert await db.deliveries.take_over(killed, 0) == 0
    again_ = await claim(db, living)
    assert {each.id for each in again_} == {each.id for each in written}
    assert [each.attempts for each in again_] == [2, 2]


async def test_a_worker_with_a_heartbeat_keeps_its_leases(db: SqlDatabase) -> None:
    worker = await registered(db)
    await enqueue(db, new())
    (delivery,) = await claim(db, worker)
    await db.deliveries.heartbeat(worker, 0)
    assert await db.deliveries.take_over(worker, 0) == 0
    assert await finish(db, delivery, worker, Done())


@pytest.mark.parametrize("late", [Done(), Dead(reason="gone")])
async def test_a_paused_workers_late_outcome_counts_for_nothing(db: SqlDatabase, late: Done | Dead) -> None:
    paused, living = await registered(db), await registered(db)
    (written,) = await enqueue(db, new())
    (stale,) = await claim(db, paused)
    await db.deliveries.take_over(paused, 0)
    assert not await finish(db, stale, paused, late)
    (newest,) = await claim(db, living)
    assert not await finish(db, stale, paused, late)
    assert not await finish(db, stale, living, late)
    assert not await db.deliveries.heartbeat(paused, 0)
    assert await finish(db, newest, living, Retry(reason="503", at=await db.events.now()))
    (third,) = await claim(db, living)
    assert not await finish(db, newest, living, late)
    assert await finish(db, third, living, Done())
    assert await logged(db) == {written.id: "done"}


async def test_an_attempt_that_was_stored_becomes_unknown(db: SqlDatabase) -> None:
    killed, living = await registered(db), await registered(db)
    stored, other = await enqueue(db, new(), new(Target("hook", "another", "hook")))
    claimed = {each.id: each for each in await claim(db, killed)}
    async with db.transaction() as tx:
        assert await tx.deliveries.store_attempt(claimed[stored.id], killed)
        assert not await tx.deliveries.store_attempt(claimed[other.id], living)
    await db.deliveries.take_over(killed, 0)
    assert await states(db) == {stored.id: "unknown", other.id: "waiting"}
    async with db.transaction() as tx:
        assert not await tx.deliveries.store_attempt(claimed[stored.id], killed)


async def test_leases_of_a_worker_without_a_row_are_seen(db: SqlDatabase) -> None:
    """Deliveries as a restored backup contains them."""
    worker = new_id()
    (written,) = await enqueue(db, new())
    await claim(db, worker)
    assert await db.deliveries.heartbeats() == {worker: -1}
    assert await db.deliveries.take_over(worker, -1) == 1
    assert await states(db) == {written.id: "waiting"}


async def test_what_a_dead_worker_had_begun_goes_before_what_came_later(db: SqlDatabase) -> None:
    """An account posts one thing after the other; what overtakes may make it impossible to finish the first."""
    killed, living = await registered(db), await registered(db)
    target = Target("hook", "shop", "hook", max_in_flight=1)
    first, _ = await enqueue(db, new(target), new(target))
    assert [each.id for each in await claim(db, killed)] == [first.id]
    await db.deliveries.take_over(killed, 0)
    assert [each.id for each in await claim(db, living)] == [first.id]


async def test_a_worker_that_left_with_a_lease_can_be_taken_over(db: SqlDatabase) -> None:
    worker = await registered(db)
    await enqueue(db, new())
    await claim(db, worker)
    await db.deliveries.leave(worker)
    assert await db.deliveries.heartbeats() == {worker: 0}


@pytest.mark.parametrize("url", SERVERS, indirect=True)
async def test_concurrent_take_overs_lapse_each_lease_once(url: str, db: SqlDatabase) -> None:
    killed = await registered(db)
    await enqueue(db, *(new(Target("hook", f"shop {each}", "hook")) for each in range(10)))
    await claim(db, killed)
    async with open_database(url) as other:
        taken = await asyncio.gather(
            *(retry_transient(partial(each.deliveries.take_over, killed, 0)) for each in (db, other, db, other))
        )
    assert sum(taken) == 10


# clocks


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 1000 * HOUR, -1000 * HOUR])
async def test_a_clock_jump_does_not_end_a_lease(db: SqlDatabase, clock: JumpingClock, jump: timedelta) -> None:
    worker = await registered(db)
    await enqueue(db, new())
    (delivery,) = await claim(db, worker)
    before = await db.deliveries.heartbeats()
    clock.ahead = jump
    assert await db.deliveries.heartbeats() == before
    assert await db.deliveries.heartbeat(worker, 0)
    assert await finish(db, delivery, worker, Done())


async def test_a_clock_that_is_set_back_delays_nothing(db: SqlDatabase, clock: JumpingClock) -> None:
    worker = await registered(db)
    clock.ahead = HOUR
    at_once, retried = await enqueue(db, new(), new(Target("hook", "another", "hook")))
    (delivery,) = [each for each in await claim(db, worker) if each.id == retried.id]
    await finish(db, delivery, worker, Retry(reason="503", at=await db.events.now() + HOUR + timedelta(minutes=1)))
    await db.deliveries.take_over(worker, 0)
    clock.ahead = timedelta()
    worker = await registered(db)
    assert await claim(db, worker) == []
    assert await db.deliveries.reschedule() == 2
    assert await db.deliveries.reschedule() == 0
    assert [each.id for each in await claim(db, worker)] == [at_once.id]
    clock.ahead = timedelta(minutes=2)
    assert [each.id for each in await claim(db, worker)] == [retried.id]


async def test_an_explicit_due_time_stays_when_the_clock_is_set_back(db: SqlDatabase, clock: JumpingClock) -> None:
    worker, chosen = await registered(db), await db.events.now() + 3 * HOUR
    clock.ahead = 2 * HOUR
    chosen_, _ = await enqueue(db, new(due_at=chosen), new(Target("hook", "another", "hook")))
    clock.ahead = timedelta()
    await db.deliveries.reschedule()
    clock.ahead = 2 * HOUR
    assert chosen_.id not in {each.id for each in await claim(db, worker)}
    clock.ahead = 4 * HOUR
    assert chosen_.id in {each.id for each in await claim(db, worker)}


async def test_nothing_is_rescheduled_while_no_time_is_ahead(db: SqlDatabase) -> None:
    await registered(db)
    await enqueue(db, new(), new(due_at=await db.events.now() + HOUR))
    assert await db.deliveries.reschedule() == 0
    await execute_sql(db, "UPDATE delivery_targets SET next_due = NULL")
    assert (await db.deliveries.due(KINDS, EPOCH)).gates == []
