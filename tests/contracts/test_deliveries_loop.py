"""The delivery loop on each database: with and without nudges, next to dead targets, killed, paused, and stopped.

The design promises that a due delivery is found within a second. A clock on the wall would also measure how busy this
machine is, so the tests measure what the promise consists of: the first claim that begins after the commit finds the
delivery, and the loop pauses for half a second at most before that claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import Delivery, Done, Outcome, Unknown
from sharetally.domain.errors import Unavailable
from sharetally.flow.delivery.claiming import Slots, Work
from sharetally.flow.delivery.handler import Handler, Lease
from sharetally.flow.delivery.leases import IDLE, LAPSE_SECONDS, STALE_SECONDS, LeaseWatch, WorkerLease
from sharetally.flow.delivery.loop import SLOTS, DeliveryLoop
from sharetally.flow.delivery.nudge import JOB
from sharetally.ports import Message, Target, Transaction
from tests.contracts.database_rows import DATABASES, database_url_for, open_empty_database
from tests.contracts.delivery_rows import (
    JumpingClock,
    claim,
    consistent,
    enqueue,
    finish,
    insert_waiting,
    logged,
    new,
    registered,
    states,
)
from tests.flow.harness import Harness, open_harness, run_in_background, run_workers, wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Harness]:
    async with open_empty_database(url) as db, open_harness(db, MemoryBroker()) as made:
        yield made
        assert await consistent(db)


class Hooks:
    """Delivers hooks by calling a function, and remembers which arrived."""

    kind: str = "hook"
    retries: Backoff = Backoff(first=0.0, longest=0.0, attempts=3)
    seconds: float = 30.0

    def __init__(self, answer: Callable[[Delivery], Any] = lambda delivery: Done()) -> None:
        self._answer = answer
        self.came: list[Delivery] = []
        self.held: list[datetime] = []
        self.settled: list[Outcome] = []

    async def deliver(self, delivery: Delivery, lease: Lease) -> Outcome:
        self.came.append(delivery)
        outcome = self._answer(delivery)
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        assert isinstance(outcome, Outcome)
        return outcome

    async def hold_overdue(self, before: datetime) -> None:
        assert self.came == []
        self.held.append(before)

    async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        self.settled.append(outcome)

    async def discard(self, tx: Transaction, delivery: Delivery, *, actor: str, reason: str) -> None:
        """Nothing follows."""


async def ignore(since: datetime) -> None:
    """Nothing is due."""


async def done(stage: Harness, number: int) -> bool:
    return len(await logged(stage.db)) >= number


def slow_poll(stage: Harness, handler: Handler) -> DeliveryLoop:
    """A loop that polls once an hour: only a nudge wakes it earlier."""
    loop = stage.deliveries(handler)
    loop._poll = 3600.0
    return loop


class Claims:
    """The claims of a loop, numbered from 1, and the pauses between them.

    A pause is counted in ticks of a timer of the same event loop: if the machine is busy, both are late.
    """

    TICK = 0.02

    def __init__(self, loop: DeliveryLoop) -> None:
        self.number = 0
        self.leased_by: dict[UUID, int] = {}
        self.longest_pause = 0
        self._claim = loop._claimer.claim
        self._ticks = 0
        self._paused_at: int | None = None

    async def claim(self, slots: Slots) -> list[Work]:
        """Claim as before, and note the pause before it and what it leased."""
        if self._paused_at is not None:
            self.longest_pause = max(self.longest_pause, self._ticks - self._paused_at)
        self.number += 1
        number = self.number
        work = await self._claim(slots)
        self.leased_by |= dict.fromkeys([each.delivery.id for each in work], number)
        self._paused_at = self._ticks
        return work

    async def tick(self) -> None:
        """Count ticks until cancelled."""
        while True:
            await asyncio.sleep(self.TICK)
            self._ticks += 1

    async def reached(self, number: int) -> bool:
        """Whether so many claims have begun."""
        return self.number >= number


@asynccontextmanager
async def watch_claims(loop: DeliveryLoop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Claims]:
    claims = Claims(loop)
    monkeypatch.setattr(loop._claimer, "claim", claims.claim)
    async with run_in_background(claims.tick()):
        yield claims


def assert_found_within_a_second(claims: Claims, delivery_id: UUID, begun_before_commit: int) -> None:
    assert claims.leased_by[delivery_id] <= begun_before_commit + 1
    assert 0 < claims.longest_pause * Claims.TICK <= 0.5 + Claims.TICK


# woken


async def test_without_a_nudge_it_is_found_within_a_second(stage: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = Hooks()
    loop = stage.deliveries(hooks)
    async with watch_claims(loop, monkeypatch) as claims, run_workers(loop):
        await wait_until(lambda: claims.reached(2))
        (written,) = await enqueue(stage.db, new())
        begun = claims.number
        await wait_until(lambda: done(stage, 1))
    assert_found_within_a_second(claims, written.id, begun)
    assert len(hooks.came) == 1


async def test_a_nudge_wakes_a_loop_that_would_not_look(stage: Harness) -> None:
    hooks = Hooks()
    async with run_workers(slow_poll(stage, hooks)):
        await wait_until(lambda: _listens(stage))
        await enqueue(stage.db, new())
        await stage.broker.publish([Message(job=JOB, body=b"[]")])
        await wait_until(lambda: done(stage, 1))


async def _listens(stage: Harness) -> bool:
    state = await stage.broker.state("deliveries")
    return state is not None and state.consumers == 1


async def test_a_slot_that_becomes_free_is_used_at_once(stage: Harness) -> None:
    hooks = Hooks()
    await enqueue(stage.db, *(new(Target("hook", "shop", "hook", 1)) for _ in range(20)))
    async with run_workers(slow_poll(stage, hooks)):
        await wait_until(lambda: done(stage, 20))
    assert [each.id for each in hooks.came] == sorted(each.id for each in hooks.came)


# outcomes


async def test_an_exception_is_retried_until_the_attempts_run_out(stage: Harness) -> None:
    def fails(delivery: Delivery) -> Outcome:
        raise OSError("connection reset")

    hooks = Hooks(fails)
    await enqueue(stage.db, new())
    async with run_workers(stage.deliveries(hooks)):
        await wait_until(lambda: _stuck(stage))
    (dead,) = await stage.db.deliveries.stuck(limit=10)
    assert (dead.attempts, dead.last_error) == (3, "OSError: connection reset")
    assert [each.attempts for each in hooks.came] == [1, 2, 3]


async def _stuck(stage: Harness) -> bool:
    return bool(await stage.db.deliveries.stuck(limit=1))


async def test_an_attempt_that_takes_too_long_has_failed(stage: Harness) -> None:
    hooks = Hooks(lambda delivery: asyncio.Event().wait())
    hooks.seconds = 0.01
    await enqueue(stage.db, new())
    async with run_workers(stage.deliveries(hooks)):
        await wait_until(lambda: _stuck(stage))
    (dead,) = await stage.db.deliveries.stuck(limit=10)
    assert dead.last_error == "TimeoutError"


async def test_a_delivery_that_may_have_arrived_is_not_sent_again(stage: Harness) -> None:
    hooks = Hooks(lambda delivery: Unknown(reason="no answer"))
    await enqueue(stage.db, new())
    async with run_workers(stage.deliveries(hooks)):
        await wait_until(lambda: _stuck(stage))
    assert len(hooks.came) == 1
    assert list((await states(stage.db)).values()) == ["unknown"]


async def test_consequences_of_an_outcome_are_committed_with_it(stage: Harness) -> None:
    """If a handler cannot settle, the attempt has failed, and nothing that it wrote remains."""

    class Broken(Hooks):
        async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
            await tx.execute("UPDATE messages SET payload = '[]'", {})
            raise KeyError("no such record")

    await enqueue(stage.db, new(payload="[1]"))
    async with run_workers(stage.deliveries(Broken())):
        await wait_until(lambda: _stuck(stage))
    (dead,) = await stage.db.deliveries.stuck(limit=10)
    assert (dead.last_error, dead.payload) == ("KeyError: 'no such record'", "[1]")


async def test_a_database_that_is_away_for_a_while_loses_no_outcome(
    stage: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, faults = stage.db.transaction, iter((Unavailable, Unavailable, ConnectionError))

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Transaction]:
        if (fault := next(faults, None)) is not None:
            raise fault("away")
        async with real() as tx:
            yield tx

    await enqueue(stage.db, new())
    monkeypatch.setattr(stage.db, "transaction", transaction)
    hooks = Hooks()
    async with run_workers(stage.deliveries(hooks)):
        await wait_until(lambda: done(stage, 1))
    assert len(hooks.came) == 1


# next to each other


async def test_a_healthy_target_leaves_within_a_second_next_to_a_hundred_thousand_rows(
    stage: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [Target("hook", f"dead {each}", "hook", 4) for each in range(100)]
    await insert_waiting(stage.db, targets=dead, rows_each=1_000, due_in=-timedelta(hours=1), failing=True)

    async def hangs(delivery: Delivery) -> Outcome:
        if delivery.target != "healthy":
            await asyncio.Event().wait()
        return Done()

    hooks = Hooks(hangs)
    loop = stage.deliveries(hooks)
    async with watch_claims(loop, monkeypatch) as claims, run_workers(loop) as stop:
        await wait_until(lambda: _full(loop))
        full = claims.number
        await wait_until(lambda: claims.reached(full + 2))
        (written,) = await enqueue(stage.db, new(Target("hook", "healthy", "hook")))
        begun = claims.number
        await wait_until(lambda: done(stage, 1))
        stop.set()
        await loop._cancel_running()
    assert_found_within_a_second(claims, written.id, begun)
    assert len(hooks.came) == SLOTS // 2 + 1
    assert len({each.target for each in hooks.came}) > 1


async def _full(loop: DeliveryLoop) -> bool:
    return len(loop._running) == SLOTS // 2


async def test_deliveries_that_come_together_all_leave_once(stage: Harness) -> None:
    hooks = Hooks()
    async with run_workers(stage.deliveries(hooks), stage.deliveries(hooks)) as _:
        for turn in range(10):
            targets = [Target("hook", f"shop {each}", "hook", 2) for each in range(turn + 1)]
            await enqueue(stage.db, *(new(each) for each in targets))
        await wait_until(lambda: done(stage, 55))
    assert len({each.id for each in hooks.came}) == len(hooks.came) == 55


# killed, paused, stopped


class Monotonic:
    """A monotonic clock that moves only when a test sets it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_worker_without_a_heartbeat_for_a_minute_loses_its_leases(stage: Harness) -> None:
    clock = Monotonic()
    db, watch = stage.db, LeaseWatch(stage.db.deliveries, clock=clock)
    killed, own = await registered(db), await registered(db)
    (written,) = await enqueue(db, new())
    await claim(db, killed)
    for _ in range(int(LAPSE_SECONDS // 5)):
        assert await watch.take_over_lapsed(own) == 0
        clock.now += 5
    assert await watch.take_over_lapsed(own) == 1
    assert await states(db) == {written.id: "waiting"}
    assert await watch.take_over_lapsed(own) == 0


async def test_a_worker_with_a_heartbeat_keeps_its_leases_when_the_database_clock_jumps(
    stage: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, wall = Monotonic(), JumpingClock(monkeypatch)
    db, watch = stage.db, LeaseWatch(stage.db.deliveries, clock=clock)
    lease = WorkerLease(db.deliveries, version="1", clock=clock, on_idle=ignore)
    await lease.begin()
    await enqueue(db, new())
    (delivery,) = await claim(db, lease.worker)
    for step in range(30):
        wall.ahead = timedelta(hours=(-1) ** step * step)
        assert await watch.take_over_lapsed(await registered(db)) == 0
        assert await lease.renew()
        clock.now += 5
    assert await finish(db, delivery, lease.worker, Done())


async def test_a_watcher_that_was_interrupted_starts_over(stage: Harness) -> None:
    """As after an outage of the database, in which no worker could count."""
    clock = Monotonic()
    db, watch = stage.db, LeaseWatch(stage.db.deliveries, clock=clock)
    worker, own = await registered(db), await registered(db)
    await enqueue(db, new())
    await claim(db, worker)
    assert await watch.take_over_lapsed(own) == 0
    clock.now += 10 * LAPSE_SECONDS
    assert await watch.take_over_lapsed(own) == 0
    clock.now += 5
    assert await watch.take_over_lapsed(own) == 0


async def test_a_paused_worker_finds_its_leases_gone(stage: Harness) -> None:
    clock = Monotonic()
    lease = WorkerLease(stage.db.deliveries, version="1", clock=clock, on_idle=ignore)
    await lease.begin()
    first = lease.worker
    clock.now += 31
    stale = [lease.stale]
    await stage.db.deliveries.take_over(first, 0)
    assert not await lease.renew()
    assert [*stale, lease.stale] == [True, False]
    assert lease.worker != first
    assert await lease.renew()


async def test_a_handler_hears_of_a_time_without_workers_before_it_delivers(stage: Harness) -> None:
    """The first worker tells it, and one that starts beside another does not."""
    await enqueue(stage.db, new())
    first, second = Hooks(), Hooks()
    async with run_workers(stage.deliveries(first)):
        await wait_until(lambda: done(stage, 1))
        async with run_workers(stage.deliveries(second)):
            await wait_until(lambda: _registered(stage, 2))
    (since,) = first.held
    assert IDLE < datetime.now(UTC) - since < 2 * IDLE
    assert second.held == []


async def test_a_handler_hears_of_it_when_a_paused_process_goes_on(
    stage: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the only worker, and was stopped for longer than that."""
    clock, wall, held = Monotonic(), JumpingClock(monkeypatch), list[datetime]()

    async def hold(since: datetime) -> None:
        held.append(since)

    lease = WorkerLease(stage.db.deliveries, version="1", clock=clock, on_idle=hold)
    await lease.begin()
    held.clear()
    wall.ahead = timedelta(minutes=16)
    clock.now += 16 * 60
    assert await lease.renew()
    assert len(held) == 1


async def test_a_killed_workers_delivery_is_delivered_by_another(stage: Harness) -> None:
    """A worker is killed during an attempt: another one sends it again, and only that outcome is stored."""
    killed = await registered(stage.db)
    (written,) = await enqueue(stage.db, new())
    await claim(stage.db, killed)
    hooks = Hooks()
    loop = stage.deliveries(hooks)
    clock = Monotonic()
    loop._watch = LeaseWatch(stage.db.deliveries, clock=clock)
    async with run_workers(loop):
        await wait_until(lambda: _registered(stage, 2))
        for _ in range(int(LAPSE_SECONDS // 5) + 1):
            await loop._beat()
            clock.now += 5
        await wait_until(lambda: done(stage, 1))
    assert [(each.id, each.attempts) for each in hooks.came] == [(written.id, 2)]


async def _registered(stage: Harness, number: int) -> bool:
    return len(await stage.db.deliveries.heartbeats()) == number


async def test_a_stopping_loop_finishes_running_attempts_and_leaves(stage: Harness) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(delivery: Delivery) -> Outcome:
        begun.set()
        await may_end.wait()
        return Done()

    await enqueue(stage.db, new(), new())
    async with run_workers(stage.deliveries(Hooks(slow))) as stop:
        await begun.wait()
        stop.set()
        may_end.set()
    assert sorted((await states(stage.db)).values()) == ["waiting"]
    assert len(await logged(stage.db)) == 1
    assert await stage.db.deliveries.heartbeats() == {}


async def test_a_claim_whose_reply_is_lost_holds_up_nothing(stage: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker lives, so nobody takes its leases over: it has to find them itself."""
    store, lost = stage.db.deliveries, [1, 1]
    claim_at_once = store.claim

    async def claim_without_reply(*arguments: Any) -> Any:
        claimed = await claim_at_once(*arguments)
        if claimed.deliveries and lost:
            lost.pop()
            raise Unavailable("the database does not answer")
        return claimed

    monkeypatch.setattr(store, "claim", claim_without_reply)
    hooks = Hooks()
    await enqueue(stage.db, *(new(Target("hook", f"shop {number}", "hook")) for number in range(3)))
    async with run_in_background(stage.deliveries(hooks).run(asyncio.Event())):
        await wait_until(lambda: done(stage, 3))
    assert lost == []
    assert len(hooks.came) == 3


async def test_a_delivery_claimed_right_before_a_pause_of_the_worker_is_delivered_by_it(
    stage: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is too old for the attempt to begin, and nobody takes over from a worker that lives."""
    hooks, clock = Hooks(), Monotonic()
    loop = stage.deliveries(hooks)
    monkeypatch.setattr(loop._lease, "_clock", clock)
    claim_real = loop._claimer.claim

    async def claim_and_pause(slots: Slots) -> list[Work]:
        work = await claim_real(slots)
        clock.now += STALE_SECONDS + 1 if work and work[0].delivery.attempts == 1 else 0
        return work

    monkeypatch.setattr(loop._claimer, "claim", claim_and_pause)
    await enqueue(stage.db, new())
    async with run_workers(loop):
        await wait_until(lambda: done(stage, 1))
    assert len(hooks.came) == 1


async def test_a_lease_that_is_left_behind_during_a_claim_holds_up_nothing(
    stage: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome of one delivery cannot be stored just when the next claim is under way."""
    breaks, claiming, failed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(delivery: Delivery) -> Outcome:
        if delivery.attempts == 1:
            await claiming.wait()
            breaks.set()
        return Done()

    hooks = Hooks(answer)
    loop = stage.deliveries(hooks)
    claim_real, store_real, ended_real = loop._claimer.claim, loop._attempts._store, loop._attempt_ended

    async def claim_slowly(slots: Slots) -> list[Work]:
        if loop._running and not failed.is_set():
            claiming.set()
            await failed.wait()
        return await claim_real(slots)

    async def store(*arguments: Any) -> Outcome:
        if breaks.is_set() and not failed.is_set():
            raise RuntimeError("a fault of the driver")
        return await store_real(*arguments)

    def ended(task: asyncio.Task[None]) -> None:
        ended_real(task)
        failed.set()

    monkeypatch.setattr(loop._claimer, "claim", claim_slowly)
    monkeypatch.setattr(loop._attempts, "_store", store)
    monkeypatch.setattr(loop, "_attempt_ended", ended)
    await enqueue(stage.db, new())
    async with run_workers(loop):
        await wait_until(lambda: done(stage, 1))
    assert [each.attempts for each in hooks.came] == [1, 2]
