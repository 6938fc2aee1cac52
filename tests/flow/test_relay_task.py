"""The relay at work: lost messages are counted without anyone's help, whatever happens around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.store import SqlDatabase
from sharetally.flow.announce import Announcer
from sharetally.flow.consumers.count import Count
from sharetally.flow.jobs import messages
from sharetally.flow.relay import Relay
from sharetally.flow.worker import JobResult, Outcomes, Worker
from sharetally.ports import (
    Broker,
    CallerKey,
    EventHead,
    Outbox,
    References,
    Schema,
    StoredAnswer,
    Writes,
)
from tests.contracts.database_rows import emptied, number, record, run, share, write
from tests.flow.line import Line, ids, relay
from tests.flow.recorder import heads
from tests.flow.stage import (
    QUEUES,
    WITHIN,
    Ahead,
    Stage,
    broker_of,
    channel_to,
    long_ago,
    running,
    staged,
    until,
    working,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    async with emptied(f"sqlite:///{tmp_path}/sharetally.db") as made:
        yield made


@pytest.fixture
def line() -> Line:
    return Line()


async def test_what_a_broker_in_memory_held_is_sent_at_the_start(db: SqlDatabase) -> None:
    events = await share(db, *(record(user_id=f"user-{number}") for number in range(5001)))
    await db.park(events[0].id, "poison")
    memory = MemoryBroker()
    await memory.open(QUEUES)
    async with running(relay(db, memory, every=3600).run()), asyncio.timeout(WITHIN):
        found: list[str] = []
        async with memory.subscribe("count", prefetch=1000) as subscription:
            while len(found) < 5000:
                for delivery in await subscription.next(1000):
                    found += [job["jobId"] for job in msgspec.json.decode(delivery.body)]
    await memory.close()
    assert found == ids(events[1:])


async def test_it_outlives_its_database_and_its_broker(db: SqlDatabase, line: Line) -> None:
    events = await share(db, record())
    await long_ago(db)
    await db.mark("count", await db.now())
    distant = Ahead(db)
    distant.away = True
    async with running(relay(distant, line).run()):
        await until(lambda: _asked(distant, 3))
        line.refuses, distant.away = True, False
        await until(lambda: _asked(distant, 6))
        assert line.sent == []
        line.refuses = False
        await until(lambda: _has_jobs(line))
    assert line.jobs() == ids(events)


async def _asked(distant: Ahead, times: int) -> bool:
    return distant.asked >= times


async def _has_jobs(line: Line) -> bool:
    return bool(line.jobs())


async def test_stored_answers_are_forgotten_after_two_days(db: SqlDatabase, line: Line) -> None:
    kept, old = (CallerKey(caller="anna", key=name) for name in ("kept", "old"))
    answer = StoredAnswer(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    await write(db, Writes(answers={kept: answer, old: answer}))
    then = await db.now() - timedelta(hours=49)
    await run(
        db, "UPDATE idempotency_keys SET created_at = :then WHERE key = 'old'", then=f"{then:%Y-%m-%d %H:%M:%S.%f}"
    )
    async with running(relay(db, line).run()):
        await until(lambda: _forgotten(db))
    async with db.transaction() as tx:
        found = await tx.lock(References(keys=frozenset({kept, old})))
    assert set(found.answers) == {kept}


async def test_many_answers_are_forgotten_a_few_in_each_round(
    db: SqlDatabase, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once would keep writers waiting, and take longer than a statement may."""
    monkeypatch.setattr("sharetally.flow.relay.FORGET_AT_ONCE", 2)
    monkeypatch.setattr("sharetally.flow.relay.PURGE_EVERY", 1_000_000)
    answer = StoredAnswer(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    await write(db, Writes(answers={CallerKey(caller="anna", key=str(each)): answer for each in range(6)}))
    then = await db.now() - timedelta(hours=49)
    await run(
        db, "UPDATE idempotency_keys SET created_at = :then WHERE key <> '5'", then=f"{then:%Y-%m-%d %H:%M:%S.%f}"
    )
    async with running(relay(db, line).run()):
        await until(lambda: _forgotten(db))


async def test_one_round_forgets_all_that_is_old(db: SqlDatabase, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a busy service would store answers faster than they are forgotten."""
    monkeypatch.setattr("sharetally.flow.relay.FORGET_AT_ONCE", 2)
    answer = StoredAnswer(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    await write(db, Writes(answers={CallerKey(caller="anna", key=str(each)): answer for each in range(7)}))
    await run(db, "UPDATE idempotency_keys SET created_at = '2020-01-01 00:00:00.000000'")
    async with running(relay(db, line, every=3600).run()):
        await until(lambda: _forgotten(db))


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

    outbox = cast(Outbox, SimpleNamespace(waiting_longer_than=waiting))
    schema = cast(Schema, SimpleNamespace(purge_answers=forgets, purge_sessions=forgets))
    async with running(Relay(outbox=outbox, schema=schema, broker=cast(Broker, Line()), queues=(), every=0.01).run()):
        await until(looked_twice)


async def _forgotten(db: SqlDatabase) -> bool:
    return await number(db, "SELECT count(*) FROM idempotency_keys") < 2


# lost messages


@pytest.fixture
async def stage(db: SqlDatabase, amqp_url: str) -> AsyncIterator[Stage]:
    async with staged(db, broker_of(amqp_url)) as made:
        yield made


def short(stage: Stage) -> Relay:
    return Relay(outbox=stage.db, schema=stage.db, broker=stage.broker, queues=QUEUES, every=0.1)


async def test_messages_lost_by_purging_the_queue_are_counted(stage: Stage, amqp_url: str) -> None:
    for user in ("anna", "bert", "cleo"):
        await stage.share(user)
    await stage.publisher.drain(WITHIN)
    async with channel_to(amqp_url) as channel:
        await channel.queue_purge("sharetally.count")
    async with working(stage.worker(stage.count())):
        await stage.share("dora")
        await until(lambda: _still(stage, 3))
        await long_ago(stage.db)
        async with running(short(stage).run()):
            await until(stage.counted)
    assert (await stage.shares(), await stage.proven()) == (4, True)


async def test_messages_lost_with_their_queue_are_counted(stage: Stage, amqp_url: str) -> None:
    await stage.share("anna")
    await stage.publisher.drain(WITHIN)
    async with channel_to(amqp_url) as channel:
        await channel.queue_delete("sharetally.count")
    await long_ago(stage.db)
    async with working(stage.worker(stage.count())), running(short(stage).run()):
        await until(stage.counted)
    assert (await stage.shares(), await stage.proven()) == (1, True)


async def test_what_was_never_published_is_counted(db: SqlDatabase, amqp_url: str) -> None:
    """The process died between its commit and the broker."""
    await share(db, record(), record(user_id="bert"))
    await long_ago(db)
    async with staged(db, broker_of(amqp_url)) as stage:
        async with working(stage.worker(stage.count())), running(short(stage).run()):
            await until(stage.counted)
        assert (await stage.shares(), await stage.proven()) == (2, True)


async def test_what_a_dead_process_had_in_memory_is_counted(db: SqlDatabase) -> None:
    async with staged(db, MemoryBroker()) as dead:
        await dead.share("anna")
        await dead.publisher.drain(WITHIN)
    async with staged(db, MemoryBroker()) as stage:
        async with working(stage.worker(stage.count())), running(short(stage).run()):
            await until(stage.counted)
        assert (await stage.shares(), await stage.proven()) == (1, True)


class Treadmill(Count):
    """A counter whose queue is never empty: for each job it gets, one more comes in behind."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(ledger=stage.db, outbox=stage.db, announcer=Announcer(reading=stage.db, cache=None), feed=None)
        self._broker = stage.broker

    async def handle(self, jobs: Sequence[EventHead]) -> Sequence[JobResult] | Outcomes:
        """Put in as many as come out."""
        await self.load(len(jobs))
        return await super().handle(jobs)

    async def load(self, number: int) -> None:
        """So many messages of one job each, all of them counted long ago."""
        await self._broker.publish([message for head in heads(number) for message in messages([head])])


async def test_marks_come_through_a_constant_backlog(db: SqlDatabase) -> None:
    await share(db, record())
    await long_ago(db)
    async with staged(db, MemoryBroker()) as stage:
        treadmill = Treadmill(stage)
        await treadmill.load(500)  # more than a worker has in hand
        looking = Relay(outbox=db, schema=db, broker=stage.broker, queues=QUEUES)
        await looking.look()
        async with working(stage.worker(treadmill)):
            await until(lambda: _marked(stage))
            assert await looking.look() == 1
            await until(stage.counted)
            state = await stage.broker.state("count")
        assert state is not None
        assert state.depth > 0
        assert (await stage.shares(), await stage.proven()) == (1, True)


async def _still(stage: Stage, pending: int) -> bool:
    return await stage.pending() == pending


async def _marked(stage: Stage) -> bool:
    return "count" in await stage.db.marks()


class Held(Count):
    """Counts, once it is let go."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(ledger=stage.db, outbox=stage.db, announcer=Announcer(reading=stage.db, cache=None), feed=None)
        self.holds, self.go = asyncio.Event(), asyncio.Event()

    async def handle(self, jobs: Sequence[EventHead]) -> Sequence[JobResult] | Outcomes:
        """With the batch in hand, wait."""
        self.holds.set()
        await self.go.wait()
        return await super().handle(jobs)


@pytest.mark.parametrize("dies", [False, True])
async def test_a_mark_that_overtakes_what_another_worker_holds_costs_a_duplicate_and_no_more(
    db: SqlDatabase, dies: bool
) -> None:
    """With several workers on one queue a mark proves less than it says: it passed a batch that is not committed."""
    async with staged(db, MemoryBroker()) as stage:
        await stage.send(*await share(db, *(record(user_id=f"user-{each}") for each in range(20))))
        slow = Held(stage)
        async with running(_worked(stage.worker(slow), slow.go if dies else None)):
            await slow.holds.wait()
            await long_ago(db)
            looking = Relay(outbox=db, schema=db, broker=stage.broker, queues=[Count.queue])
            async with working(stage.worker(stage.count())):
                await looking.look()
                await until(lambda: _marked(stage))
                assert await looking.look() == 20, "all of them are sent again"
                await until(stage.counted)
                slow.go.set()
                await asyncio.wait_for(cast(MemoryBroker, stage.broker).join(), WITHIN)
        assert (await stage.shares(), await stage.proven()) == (20, True)
        assert stage.meter.outcomes() == {"counted": 20, "duplicate": 20}


async def _worked(worker: Worker[EventHead], dies_at: asyncio.Event | None) -> None:
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
