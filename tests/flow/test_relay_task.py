"""The relay at work: lost messages are counted without anyone's help, whatever happens around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.count import Count
from sharetally.flow.counting.reactions import Reactions
from sharetally.flow.jobs import to_messages
from sharetally.flow.relay import Relay
from sharetally.flow.worker import JobResult, Outcomes, Worker
from sharetally.ports import (
    Broker,
    EventRef,
    EventStore,
    IdempotencyKey,
    LockSet,
    ResponseStore,
    SessionStore,
    StoredResponse,
    Writes,
)
from tests.contracts.database_rows import execute_sql, insert_shares, open_empty_database, query_int, record, write_rows
from tests.flow.fake_broker import FakeBroker, event_ids, make_relay
from tests.flow.harness import (
    QUEUES,
    TIMEOUT,
    FutureDatabase,
    Harness,
    backdate_sent_events,
    make_broker,
    open_channel,
    open_harness,
    run_in_background,
    run_workers,
    wait_until,
)
from tests.flow.worker_harness import make_event_refs

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as made:
        yield made


@pytest.fixture
def fake_broker() -> FakeBroker:
    return FakeBroker()


async def test_events_lost_with_a_memory_broker_are_sent_at_startup(db: SqlDatabase) -> None:
    events = await insert_shares(db, *(record(user_id=f"user-{number}") for number in range(5001)))
    await db.events.park(events[0].id, "poison")
    memory = MemoryBroker()
    await memory.open(QUEUES)
    async with run_in_background(make_relay(db, memory, every=3600).run()), asyncio.timeout(TIMEOUT):
        found: list[str] = []
        async with memory.subscribe("count", prefetch=1000) as subscription:
            while len(found) < 5000:
                for delivery in await subscription.next(1000):
                    found += [str(ref.id) for ref in delivery.refs]
    await memory.close()
    assert found == event_ids(events[1:])


async def test_the_relay_survives_database_and_broker_outages(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    events = await insert_shares(db, record())
    await backdate_sent_events(db)
    await db.events.mark("count", await db.events.now())
    distant = FutureDatabase(db)
    distant.away = True
    async with run_in_background(make_relay(distant, fake_broker).run()):
        await wait_until(lambda: _asked(distant, 3))
        fake_broker.refuses, distant.away = True, False
        await wait_until(lambda: _asked(distant, 6))
        assert fake_broker.sent == []
        fake_broker.refuses = False
        await wait_until(lambda: _has_jobs(fake_broker))
    assert fake_broker.jobs() == event_ids(events)


async def _asked(distant: FutureDatabase, times: int) -> bool:
    return distant.asked >= times


async def _has_jobs(fake_broker: FakeBroker) -> bool:
    return bool(fake_broker.jobs())


async def test_stored_answers_are_forgotten_after_two_days(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    kept, old = (IdempotencyKey(caller="anna", key=name) for name in ("kept", "old"))
    answer = StoredResponse(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    await write_rows(db, Writes(responses={kept: answer, old: answer}))
    then = await db.events.now() - timedelta(hours=49)
    await execute_sql(
        db, "UPDATE idempotency_keys SET created_at = :then WHERE key = 'old'", then=f"{then:%Y-%m-%d %H:%M:%S.%f}"
    )
    async with run_in_background(make_relay(db, fake_broker).run()):
        await wait_until(lambda: _forgotten(db))
    async with db.transaction() as tx:
        found = await tx.lock(LockSet(keys=frozenset({kept, old})))
    assert set(found.responses) == {kept}


async def test_many_answers_are_forgotten_a_few_in_each_round(
    db: SqlDatabase, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once would keep writers waiting, and take longer than a statement may."""
    monkeypatch.setattr("sharetally.flow.relay.MAX_PURGED", 2)
    monkeypatch.setattr("sharetally.flow.relay.PURGE_EVERY", 1_000_000)
    answer = StoredResponse(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    await write_rows(db, Writes(responses={IdempotencyKey(caller="anna", key=str(each)): answer for each in range(6)}))
    then = await db.events.now() - timedelta(hours=49)
    await execute_sql(
        db, "UPDATE idempotency_keys SET created_at = :then WHERE key <> '5'", then=f"{then:%Y-%m-%d %H:%M:%S.%f}"
    )
    async with run_in_background(make_relay(db, fake_broker).run()):
        await wait_until(lambda: _forgotten(db))


async def test_one_round_forgets_all_that_is_old(
    db: SqlDatabase, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a busy service would store answers faster than they are forgotten."""
    monkeypatch.setattr("sharetally.flow.relay.MAX_PURGED", 2)
    answer = StoredResponse(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    await write_rows(db, Writes(responses={IdempotencyKey(caller="anna", key=str(each)): answer for each in range(7)}))
    await execute_sql(db, "UPDATE idempotency_keys SET created_at = '2020-01-01 00:00:00.000000'")
    async with run_in_background(make_relay(db, fake_broker, every=3600).run()):
        await wait_until(lambda: _forgotten(db))


async def test_lost_messages_are_looked_for_while_much_is_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharetally.flow.relay.PURGE_SECONDS", 0.02)
    looks = list[float]()

    async def forgets(_: float, *, at_most: int) -> int:
        await asyncio.sleep(0)
        return at_most

    async def waiting(seconds: float) -> bool:
        looks.append(seconds)
        return False

    async def looked_twice() -> bool:
        return len(looks) > 1

    events = cast(EventStore, SimpleNamespace(has_unburned_older_than=waiting))
    purged = SimpleNamespace(purge=forgets)
    async with run_in_background(
        Relay(
            events=events,
            responses=cast(ResponseStore, purged),
            sessions=cast(SessionStore, purged),
            broker=cast(Broker, FakeBroker()),
            queues=(),
            every=0.01,
        ).run()
    ):
        await wait_until(looked_twice)


async def _forgotten(db: SqlDatabase) -> bool:
    return await query_int(db, "SELECT count(*) FROM idempotency_keys") < 2


# lost messages


@pytest.fixture
async def harness(db: SqlDatabase, amqp_url: str) -> AsyncIterator[Harness]:
    async with open_harness(db, make_broker(amqp_url)) as made:
        yield made


def short(harness: Harness) -> Relay:
    return Relay(
        events=harness.db.events,
        responses=harness.db.responses,
        sessions=harness.db.sessions,
        broker=harness.broker,
        queues=QUEUES,
        every=0.1,
    )


async def test_messages_lost_by_purging_the_queue_are_counted(harness: Harness, amqp_url: str) -> None:
    for user in ("anna", "bert", "cleo"):
        await harness.share(user)
    await harness.publisher.drain(TIMEOUT)
    async with open_channel(amqp_url) as channel:
        await channel.queue_purge("sharetally.count")
    async with run_workers(harness.worker(harness.count())):
        await harness.share("dora")
        await wait_until(lambda: _still(harness, 3))
        await backdate_sent_events(harness.db)
        async with run_in_background(short(harness).run()):
            await wait_until(harness.all_counted)
    assert (await harness.shares(), await harness.counts_match_ledger()) == (4, True)


async def test_messages_lost_with_their_queue_are_counted(harness: Harness, amqp_url: str) -> None:
    await harness.share("anna")
    await harness.publisher.drain(TIMEOUT)
    async with open_channel(amqp_url) as channel:
        await channel.queue_delete("sharetally.count")
    await backdate_sent_events(harness.db)
    async with run_workers(harness.worker(harness.count())), run_in_background(short(harness).run()):
        await wait_until(harness.all_counted)
    assert (await harness.shares(), await harness.counts_match_ledger()) == (1, True)


async def test_an_event_that_was_never_published_is_counted(db: SqlDatabase, amqp_url: str) -> None:
    """The process died between its commit and the broker."""
    await insert_shares(db, record(), record(user_id="bert"))
    await backdate_sent_events(db)
    async with open_harness(db, make_broker(amqp_url)) as harness:
        async with run_workers(harness.worker(harness.count())), run_in_background(short(harness).run()):
            await wait_until(harness.all_counted)
        assert (await harness.shares(), await harness.counts_match_ledger()) == (2, True)


async def test_events_in_the_memory_of_a_dead_process_are_counted(db: SqlDatabase) -> None:
    async with open_harness(db, MemoryBroker()) as dead:
        await dead.share("anna")
        await dead.publisher.drain(TIMEOUT)
    async with open_harness(db, MemoryBroker()) as harness:
        async with run_workers(harness.worker(harness.count())), run_in_background(short(harness).run()):
            await wait_until(harness.all_counted)
        assert (await harness.shares(), await harness.counts_match_ledger()) == (1, True)


class Treadmill(Count):
    """A counter whose queue is never empty: for each job it gets, one more comes in behind."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(
            ledger=harness.db,
            events=harness.db.events,
            announcer=Announcer(counts=harness.db.counts, cache=None),
            reactions=Reactions(meter=harness.meter),
            on_follow_up=harness.publisher.take,
        )
        self._broker = harness.broker

    async def handle(self, jobs: Sequence[EventRef]) -> Sequence[JobResult] | Outcomes:
        """Put in as many as come out."""
        await self.load(len(jobs))
        return await super().handle(jobs)

    async def load(self, number: int) -> None:
        """So many messages of one job each, all of them counted long ago."""
        await self._broker.publish([message for head in make_event_refs(number) for message in to_messages([head])])


async def test_marks_come_through_a_constant_backlog(db: SqlDatabase) -> None:
    await insert_shares(db, record())
    await backdate_sent_events(db)
    async with open_harness(db, MemoryBroker()) as harness:
        treadmill = Treadmill(harness)
        await treadmill.load(500)  # more than a worker has in hand
        looking = Relay(
            events=db.events, responses=db.responses, sessions=db.sessions, broker=harness.broker, queues=QUEUES
        )
        await looking.run_once()
        async with run_workers(harness.worker(treadmill)):
            await wait_until(lambda: _marked(harness))
            assert await looking.run_once() == 1
            await wait_until(harness.all_counted)
            state = await harness.broker.state("count")
        assert state is not None
        assert state.depth > 0
        assert (await harness.shares(), await harness.counts_match_ledger()) == (1, True)


async def _still(harness: Harness, pending: int) -> bool:
    return await harness.pending() == pending


async def _marked(harness: Harness) -> bool:
    return "count" in await harness.db.events.marks()


class Held(Count):
    """Counts once it is allowed to continue."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(
            ledger=harness.db,
            events=harness.db.events,
            announcer=Announcer(counts=harness.db.counts, cache=None),
            reactions=Reactions(meter=harness.meter),
            on_follow_up=harness.publisher.take,
        )
        self.holds, self.go = asyncio.Event(), asyncio.Event()

    async def handle(self, jobs: Sequence[EventRef]) -> Sequence[JobResult] | Outcomes:
        """With the batch in hand, wait."""
        self.holds.set()
        await self.go.wait()
        return await super().handle(jobs)


@pytest.mark.parametrize("dies", [False, True])
async def test_a_mark_that_overtakes_another_workers_batch_costs_only_a_duplicate(db: SqlDatabase, dies: bool) -> None:
    """With several workers on one queue a mark proves less than it says: it passed a batch that is not committed."""
    async with open_harness(db, MemoryBroker()) as harness:
        await harness.send(*await insert_shares(db, *(record(user_id=f"user-{each}") for each in range(20))))
        slow = Held(harness)
        async with run_in_background(_worked(harness.worker(slow), slow.go if dies else None)):
            await slow.holds.wait()
            await backdate_sent_events(db)
            looking = Relay(
                events=db.events,
                responses=db.responses,
                sessions=db.sessions,
                broker=harness.broker,
                queues=[Count.queue],
            )
            async with run_workers(harness.worker(harness.count())):
                await looking.run_once()
                await wait_until(lambda: _marked(harness))
                assert await looking.run_once() == 20, "all of them are sent again"
                await wait_until(harness.all_counted)
                slow.go.set()
                await asyncio.wait_for(cast(MemoryBroker, harness.broker).join(), TIMEOUT)
        assert (await harness.shares(), await harness.counts_match_ledger()) == (20, True)
        assert harness.meter.outcomes() == {"counted": 20, "duplicate": 20}


async def _worked(worker: Worker[EventRef], dies_at: asyncio.Event | None) -> None:
    """To its end; or it dies with its batch in hand, which then comes again behind the mark."""
    work = asyncio.create_task(worker.run(asyncio.Event()))
    try:
        if dies_at is not None:
            await dies_at.wait()
        else:
            await work
    finally:
        work.cancel()
        await asyncio.wait({work})
