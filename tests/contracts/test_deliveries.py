"""Deliveries in the database: written with their cause, claimed by target, finished with their outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.delivery import Dead, DeliveryState, Done, Retry, Unknown
from sharetally.domain.ids import new_id
from sharetally.ports import ClosedGate, DeliveryCount, DueGate, Target
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    database_url_for,
    open_database,
    open_empty_database,
    query_int,
    retry_transient,
)
from tests.contracts.delivery_rows import (
    EPOCH,
    HOOK,
    KINDS,
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
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made
        assert await consistent(made)


# written


async def test_it_is_delivered_whole_and_once(db: SqlDatabase) -> None:
    (written,) = await enqueue(db, new(payload='{"text": "größer 😀"}'))
    worker = await registered(db)
    (delivery,) = await claim(db, worker)
    assert (delivery.id, delivery.kind, delivery.target, delivery.key) == (written.id, "hook", "shop", written.key)
    assert (delivery.payload, delivery.attempts, delivery.state) == (written.payload, 1, DeliveryState.SENDING)
    assert await claim(db, worker) == []
    assert await finish(db, delivery, worker, Done())
    assert (await states(db), await logged(db)) == ({}, {written.id: "done"})
    assert await claim(db, worker) == []


async def test_rolled_back_with_its_cause(db: SqlDatabase) -> None:
    async def cause() -> None:
        async with db.transaction() as tx:
            await tx.deliveries.enqueue([new()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cause()
    assert await states(db) == {}
    assert (await db.deliveries.due(KINDS, EPOCH)).gates == []


async def test_the_same_fact_is_delivered_to_a_target_once(db: SqlDatabase) -> None:
    other = Target("hook", "another", "hook")
    assert len(await enqueue(db, new(key="k"), new(other, key="k"))) == 2
    assert await enqueue(db, new(key="k")) == []
    assert len(await enqueue(db, new(key="k"), new(key="l"))) == 1
    assert len(await states(db)) == 3


async def test_one_message_for_many_targets_is_stored_once(db: SqlDatabase) -> None:
    message, targets = new_id(), [Target("hook", f"shop {each}", "hook") for each in range(5)]
    await enqueue(db, *(new(each, message_id=message, payload="[1]") for each in targets))
    assert await query_int(db, "SELECT count(*) FROM messages") == 1
    assert [each.payload for each in await claim(db, await registered(db))] == ["[1]"] * 5


async def test_a_transaction_reports_whether_it_enqueued_a_delivery(db: SqlDatabase) -> None:
    wrote: list[bool] = []
    for key in ("k", "k", "l"):
        async with db.transaction() as tx:
            before = tx.deliveries.enqueued
            await tx.deliveries.enqueue([new(key=key)])
            wrote += [before, tx.deliveries.enqueued]
    assert wrote == [False, True, False, False, False, True]


# due and paced


async def test_a_delivery_due_later_waits(db: SqlDatabase) -> None:
    worker, now = await registered(db), await db.events.now()
    later, soon = await enqueue(db, new(due_at=now + MINUTE), new())
    assert [each.id for each in await claim(db, worker)] == [soon.id]
    assert (await states(db))[later.id] == "waiting"
    assert (await db.deliveries.due(KINDS, EPOCH)).gates == []


async def test_oldest_first_and_at_most_so_many_in_flight(db: SqlDatabase) -> None:
    worker, target = await registered(db), Target("hook", "shop", "hook", 2)
    written = [(await enqueue(db, new(target)))[0].id for _ in range(5)]
    first = await claim(db, worker)
    assert [each.id for each in first] == written[:2]
    assert await claim(db, worker) == []
    await finish(db, first[0], worker, Done())
    second = await claim(db, worker)
    assert [each.id for each in second] == written[2:3]
    await finish(db, first[1], worker, Done())
    await finish(db, second[0], worker, Done())
    assert [each.id for each in await claim(db, worker)] == written[3:]


async def test_a_claim_takes_at_most_as_many_deliveries_as_it_has_slots(db: SqlDatabase) -> None:
    worker, target = await registered(db), Target("hook", "shop", "hook", 10)
    await enqueue(db, *(new(target) for _ in range(5)))
    assert len(await claim(db, worker, slots=3)) == 3
    assert len(await claim(db, worker, slots=3)) == 2


async def test_a_kind_without_a_handler_is_not_claimed(db: SqlDatabase) -> None:
    await enqueue(db, new(Target("post", "twitter", "twitter")))
    assert await claim(db, await registered(db)) == []
    assert (await db.deliveries.due({"post"}, EPOCH)).gates == [DueGate("twitter", failing=False)]


async def test_a_closed_gate_is_passed_by(db: SqlDatabase) -> None:
    worker, mail = await registered(db), Target("mail", "anna", "mail")
    await enqueue(db, new(), new(mail))
    await db.deliveries.close_gate("hook", "away")
    assert [each.kind for each in await claim(db, worker)] == ["mail"]
    await db.deliveries.close_gate("hook", "away", await db.events.now() - MINUTE)
    assert [each.kind for each in await claim(db, worker)] == ["hook"]
    await enqueue(db, new(Target("hook", "another", "hook")))
    await db.deliveries.close_gate("hook", "away", await db.events.now() + MINUTE)
    assert await claim(db, worker) == []
    await db.deliveries.open_gate("hook")
    await db.deliveries.open_gate("hook")
    assert len(await claim(db, worker)) == 1


async def test_a_gate_that_is_closed_for_one_version_is_open_for_the_users_of_another(db: SqlDatabase) -> None:
    later = await db.events.now() + MINUTE
    await enqueue(db, new())
    await db.deliveries.close_gate("hook", "this version has ended", later, version="shop/1")
    used: dict[tuple[str, ...], bool] = {("shop/1",): False, ("shop/2",): True, ("shop/1", "mail/7"): False, (): True}
    for versions, is_open in used.items():
        assert bool((await db.deliveries.due(KINDS, EPOCH, versions)).gates) is is_open, versions
        assert bool(await db.deliveries.closed_gates(versions)) is not is_open, versions
    await db.deliveries.close_gate("hook", "away", later)
    assert (await db.deliveries.due(KINDS, EPOCH, ("shop/2",))).gates == []


async def test_closed_gates_are_listed_until_their_time_has_come(db: SqlDatabase) -> None:
    now = await db.events.now()
    await db.deliveries.close_gate("post", "no credits", now + MINUTE)
    await db.deliveries.close_gate("mail", "until somebody opens it")
    await db.deliveries.close_gate("hook", "over", now - MINUTE)
    assert await db.deliveries.closed_gates() == [
        ClosedGate("mail", "until somebody opens it", None, None),
        ClosedGate("post", "no credits", now + MINUTE, None),
    ]
    await db.deliveries.open_gate("mail")
    assert [each.gate for each in await db.deliveries.closed_gates()] == ["post"]


async def test_a_blocked_target_costs_the_others_nothing(db: SqlDatabase) -> None:
    worker = await registered(db)
    await enqueue(db, new(), new(Target("hook", "another", "hook")))
    async with db.transaction() as tx:
        await tx.deliveries.block("hook", "shop", await db.events.now() + MINUTE)
    assert [each.target for each in await claim(db, worker)] == ["another"]
    await enqueue(db, new())
    assert await claim(db, worker) == []
    async with db.transaction() as tx:
        await tx.deliveries.block("hook", "shop", await db.events.now() - MINUTE)
    assert [each.target for each in await claim(db, worker)] == ["shop"]


# finished


async def test_retried_at_its_time_by_the_failing_class(db: SqlDatabase) -> None:
    worker = await registered(db)
    await enqueue(db, new())
    (delivery,) = await claim(db, worker)
    await finish(db, delivery, worker, Retry(reason="503\0", at=await db.events.now() + MINUTE))
    assert await claim(db, worker) == []
    await enqueue(db, new())
    assert (await db.deliveries.due(KINDS, EPOCH)).gates == [DueGate("hook", failing=True)]
    (fresh,) = await claim(db, worker)
    assert fresh.id != delivery.id
    await finish(db, fresh, worker, Done())
    await enqueue(db, new())
    assert (await db.deliveries.due(KINDS, EPOCH)).gates == [DueGate("hook", failing=False)]


async def test_a_retry_counts_its_attempts(db: SqlDatabase) -> None:
    worker = await registered(db)
    await enqueue(db, new())
    for attempt in (1, 2, 3):
        (delivery,) = await claim(db, worker)
        assert delivery.attempts == attempt
        await finish(db, delivery, worker, Retry(reason="503", at=await db.events.now()))
    (delivery,) = await claim(db, worker)
    assert delivery.last_error == "503"


@pytest.mark.parametrize("outcome", [Dead(reason="gone"), Unknown(reason="gone")])
async def test_dead_and_unknown_deliveries_wait_for_a_persons_decision(
    db: SqlDatabase, outcome: Dead | Unknown
) -> None:
    worker = await registered(db)
    first, second = await enqueue(db, new(), new())
    for _ in range(2):
        (delivery,) = await claim(db, worker)
        await finish(db, delivery, worker, outcome)
    stuck = await db.deliveries.stuck(limit=10)
    assert [each.id for each in stuck] == [second.id, first.id]
    assert [each.last_error for each in stuck] == ["gone", "gone"]
    assert await db.deliveries.stuck(limit=10, after=second.id) == stuck[1:]
    assert await db.deliveries.stuck_by_id(first.id) == stuck[1]
    assert await claim(db, worker) == []
    assert await db.deliveries.replay([first.id, new_id()]) == [first.id]
    assert await db.deliveries.replay([first.id]) == []
    (again_,) = await claim(db, worker)
    assert (again_.id, again_.attempts, again_.payload) == (first.id, 1, first.payload)
    async with db.transaction() as tx:
        assert await tx.deliveries.discard(second.id, "nobody wants it") == stuck[0]
        assert await tx.deliveries.discard(second.id, "nobody wants it") is None
        assert await tx.deliveries.discard(first.id, "it is being sent") is None
    assert await logged(db) == {second.id: "discarded"}
    assert await db.deliveries.stuck_by_id(second.id) is None


async def test_many_replayed_are_spread_out(db: SqlDatabase) -> None:
    worker, target = await registered(db), Target("hook", "shop", "hook", 10)
    await enqueue(db, *(new(target) for _ in range(4)))
    for delivery in await claim(db, worker):
        await finish(db, delivery, worker, Dead(reason="gone"))
    ids = [each.id for each in await db.deliveries.stuck(limit=10)]
    assert len(await db.deliveries.replay(ids, over=4 * MINUTE)) == 4
    assert len(await claim(db, worker)) == 1
    assert (await db.deliveries.backlog()).counts[0] == DeliveryCount("hook", DeliveryState.WAITING, 3)


async def test_only_a_waiting_delivery_can_be_cancelled(db: SqlDatabase) -> None:
    worker = await registered(db)
    sending, waiting = await enqueue(db, new(), new())
    await claim(db, worker)
    async with db.transaction() as tx:
        assert not await tx.deliveries.cancel("hook", "shop", sending.key)
        assert await tx.deliveries.cancel("hook", "shop", waiting.key)
        assert not await tx.deliveries.cancel("hook", "shop", waiting.key)
        assert not await tx.deliveries.cancel("hook", "nobody", waiting.key)
    assert await logged(db) == {waiting.id: "cancelled"}


async def test_waiting_deliveries_are_counted(db: SqlDatabase) -> None:
    assert (await db.deliveries.backlog()).counts == []
    worker = await registered(db)
    await enqueue(db, new(), new(), new(), new(Target("mail", "anna", "mail"), due_at=await db.events.now() + MINUTE))
    (delivery,) = await claim(db, worker)
    await finish(db, delivery, worker, Dead(reason="gone"))
    await claim(db, worker)
    backlog = await db.deliveries.backlog()
    assert {(each.kind, each.state.value): each.number for each in backlog.counts if each.number} == {
        ("hook", "waiting"): 1, ("hook", "sending"): 1, ("hook", "dead"): 1, ("mail", "waiting"): 1,
    }  # fmt: skip
    assert 0 < backlog.oldest_due["hook"] < 60
    assert backlog.oldest_due["mail"] == 0


# too many


async def test_a_target_with_too_many_waiting_is_disabled_and_its_rows_die_in_chunks(db: SqlDatabase) -> None:
    worker = await registered(db)
    small = HOOK._replace(max_waiting=3)
    assert len(await enqueue(db, *(new(small) for _ in range(5)))) == 3
    assert await enqueue(db, new(small)) == []
    assert await claim(db, worker) == []
    assert [await db.deliveries.expire_disabled(2) for _ in range(3)] == [2, 1, 0]
    ids = [each.id for each in await db.deliveries.stuck(limit=10)]
    assert len(ids) == 3
    assert await db.deliveries.replay(ids) == []
    assert not await db.deliveries.enable("hook", "nobody")
    assert await db.deliveries.enable("hook", "shop")
    assert len(await enqueue(db, new(small))) == 1
    assert len(await db.deliveries.replay(ids[:1])) == 1
    assert len(await claim(db, worker)) == 1


async def test_a_kind_that_may_not_be_left_out_has_no_limit(db: SqlDatabase) -> None:
    unlimited = HOOK._replace(max_waiting=None)
    assert len(await enqueue(db, *(new(unlimited) for _ in range(5)))) == 5


# forgotten


async def test_the_log_forgets_old_failures_and_all_but_the_newest_successes(db: SqlDatabase) -> None:
    worker, target = await registered(db), Target("hook", "shop", "hook", 10)
    written = [each.id for each in await enqueue(db, *(new(target) for _ in range(6)))]
    claimed = await claim(db, worker)
    for delivery in claimed[:5]:
        await finish(db, delivery, worker, Done())
    await finish(db, claimed[5], worker, Dead(reason="gone"))
    async with db.transaction() as tx:
        await tx.deliveries.discard(written[5], "r")
    assert [await db.deliveries.trim("hook", "shop", keep=2, at_most=2) for _ in range(3)] == [2, 1, 0]
    assert set(await logged(db)) == {*written[3:5], written[5]}
    assert await db.deliveries.purge(failures_older_than=MINUTE, at_most=10) == 0
    assert await db.deliveries.purge(failures_older_than=-MINUTE, at_most=10) == 1
    assert set(await logged(db)) == set(written[3:5])


# at the same time


@on_servers
async def test_two_workers_never_claim_the_same(url: str, db: SqlDatabase) -> None:
    targets = [Target("hook", f"shop {each}", "hook", 3) for each in range(40)]
    await enqueue(db, *(new(each) for each in targets for _ in range(3)))
    async with open_database(url) as other:
        one, two = await registered(db), await registered(other)
        found: list[UUID] = []
        while (await db.deliveries.due(KINDS, EPOCH)).gates:
            claims = (
                retry_transient(lambda: claim(db, one, slots=15)),
                retry_transient(lambda: claim(other, two, slots=15)),
            )
            found += [delivery.id for claimed in await asyncio.gather(*claims) for delivery in claimed]
    assert len(found) == len(set(found)) == 120


@on_servers
async def test_no_wake_up_is_lost_between_producer_and_claimer(url: str, db: SqlDatabase) -> None:
    """The claimer finds the target empty while a producer that has not committed yet adds to it."""
    worker = await registered(db)
    await enqueue(db, new())
    async with open_database(url) as other, other.transaction() as tx:
        await tx.deliveries.enqueue([new()])
        assert await claim(db, worker) == []  # its row is locked, and skipped without waiting
    assert len(await claim(db, worker)) == 1


@on_servers
async def test_a_producer_blocked_by_a_claimer_wakes_the_target_again(url: str, db: SqlDatabase) -> None:
    worker, target = await registered(db), Target("hook", "shop", "hook", 5)
    await enqueue(db, new(target))
    async with open_database(url) as other:
        async with db._engine.write_transaction() as connection:
            await connection.driver.execute("UPDATE delivery_targets SET next_due = NULL")
            producing = asyncio.create_task(enqueue(other, new(target)))
            done, _ = await asyncio.wait([producing], timeout=0.2)
            assert not done  # it waits for the row
        await producing
    assert len(await claim(db, worker)) == 2


@on_servers
async def test_producers_of_the_same_targets_in_any_order_get_by(url: str, db: SqlDatabase) -> None:
    targets = [Target("hook", f"shop {each}", "hook") for each in range(10)]
    async with open_database(url) as other:
        for _ in range(5):
            await asyncio.gather(
                retry_transient(lambda: enqueue(db, *(new(each) for each in targets))),
                retry_transient(lambda: enqueue(other, *(new(each) for each in reversed(targets)))),
            )
    assert len(await states(db)) == 100
