"""The delivery loop: claims what is due, attempts it and stores the outcome. Each worker runs one, as an owned task.

A nudge or a finished attempt wakes it; otherwise it polls every half second. Faults of the database or the broker
never end it. When it is asked to stop, it claims nothing more, gives running attempts some time to finish, and leaves
the rest for other workers to take over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from sharetally import __version__
from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import Done
from sharetally.domain.errors import BrokerUnavailable, SharetallyError
from sharetally.flow.delivery.attempt import Attempts, reason_of
from sharetally.flow.delivery.claiming import Claimer, Work, free_slots
from sharetally.flow.delivery.handler import Handler
from sharetally.flow.delivery.leases import BEAT_SECONDS, HeldLease, LeaseWatch, WorkerLease
from sharetally.flow.delivery.nudge import QUEUE
from sharetally.ports import Broker, DeliveryStore, Stop

SLOTS = 32
POLL_SECONDS = 0.5
DRAIN_SECONDS = 20.0
HOUSEKEEPING_SECONDS = 10.0
BATCH_SIZE = 500
KEEP_SUCCESSES = 1_000  # for each target
KEEP_FAILURES = timedelta(days=7)
RECONNECT_BACKOFF = Backoff(first=0.2, longest=5.0)
log = structlog.get_logger("sharetally.delivery")


class DeliveryLoop:
    """Delivers in one worker; any number of workers can use one database.

    `versions` are the versions of the APIs that its handlers use: what is closed for others only is open here.
    """

    def __init__(
        self,
        *,
        store: DeliveryStore,
        broker: Broker,
        attempts: Attempts,
        handlers: Sequence[Handler],
        slots: int = SLOTS,
        poll: float = POLL_SECONDS,
        keep_failures: timedelta = KEEP_FAILURES,
        versions: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._broker = broker
        self._attempts = attempts
        self._handlers = {handler.kind: handler for handler in handlers}
        self._slots = slots
        self._poll = poll
        self._keep_failures = keep_failures
        self._lease = WorkerLease(store, version=__version__, clock=clock, on_idle=self._hold_overdue)
        self._watch = LeaseWatch(store, clock=clock)
        self._claimer = Claimer(store, self._lease, self._handlers, clock=clock, versions=versions)
        self._running: dict[asyncio.Task[None], Work] = {}
        self._wake = asyncio.Event()
        self._succeeded: set[tuple[str, str]] = set()
        self._doubts = 0  # how often this worker may have kept a lease that it does not know of

    async def run(self, stop: Stop) -> None:
        """Deliver until `stop` is set."""
        stopping = asyncio.ensure_future(stop.wait())
        while not stopping.done() and not await self._guarded(self._begin()):
            await asyncio.wait({stopping}, timeout=self._poll)
        beating = asyncio.create_task(self._every(BEAT_SECONDS, self._beat))
        others = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._every(HOUSEKEEPING_SECONDS, self._clean_up)),
        ]
        try:
            while not stopping.done():
                self._wake.clear()
                if not await self._guarded(self._claim()):
                    waking: asyncio.Future[object] = asyncio.ensure_future(self._wake.wait())
                    try:
                        await asyncio.wait({waking, stopping}, timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        waking.cancel()
        finally:
            for task in others:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
            await self._cancel_running()  # other workers take over what was not finished
            beating.cancel()
            stopping.cancel()
            await asyncio.gather(beating, *others, return_exceptions=True)
            await self._guarded(self._store.leave(self._lease.worker))

    async def _begin(self) -> bool:
        await self._lease.begin()
        await self._store.reschedule()
        return True

    async def _hold_overdue(self, before: datetime) -> None:
        for handler in self._handlers.values():
            await handler.hold_overdue(before)

    async def _claim(self) -> bool:
        """Claim once and begin the attempts; True if more may be due right now."""
        slots = free_slots(self._slots, list(self._running.values()))
        if slots.free <= 0:
            return False
        if self._lease.stale:
            await self._renew()
        if doubts := self._doubts:
            known = [each.delivery.id for each in self._running.values()]
            if released := await self._store.release_forgotten(self._lease.worker, known):
                log.warning("leases released that a claim or an outcome left behind", deliveries=released)
        self._doubts += 1  # unless the reply arrives
        work = await self._claimer.claim(slots)
        self._doubts -= doubts + 1  # those that have arisen meanwhile stay
        for each in work:
            task = asyncio.create_task(self._attempt(each), name=f"delivery {each.delivery.id}")
            self._running[task] = each
            task.add_done_callback(self._attempt_ended)
        return bool(work)

    async def _attempt(self, work: Work) -> None:
        delivery = work.delivery
        if self._lease.stale:
            log.warning("attempt not begun, the lease is old", delivery=str(delivery.id))
            self._doubts += 1  # the delivery is still leased
            return
        outcome = await self._attempts.run(self._handlers[delivery.kind], delivery, HeldLease(self._lease))
        if isinstance(outcome, Done):
            self._succeeded.add((delivery.kind, delivery.target))

    def _attempt_ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._doubts += 1
            log.error("outcome not stored; its lease will be released", task=task.get_name(), reason=str(error))

    async def _cancel_running(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _beat(self) -> None:
        await self._renew()
        if await self._watch.take_over_lapsed(self._lease.worker):
            self._wake.set()

    async def _renew(self) -> None:
        """Renew the lease; if it was taken over, cancel the running attempts, because others may be making them now."""
        if not await self._lease.renew():
            await self._cancel_running()

    async def _clean_up(self) -> None:
        """Delete what is no longer needed from the tables, in short transactions."""
        while expired := await self._store.expire_disabled(BATCH_SIZE):
            log.warning("deliveries of a disabled target are dead", deliveries=expired)
        while self._succeeded:
            kind, target = self._succeeded.pop()
            while await self._store.trim(kind, target, keep=KEEP_SUCCESSES, at_most=BATCH_SIZE) == BATCH_SIZE:
                continue
        await self._store.purge(failures_older_than=self._keep_failures, at_most=BATCH_SIZE)

    async def _listen(self) -> None:
        """Let nudges wake the loop."""
        attempt = 0
        while True:
            with suppress(BrokerUnavailable):
                async with self._broker.subscribe(QUEUE.name, prefetch=BATCH_SIZE) as subscription:
                    attempt = 0
                    while True:
                        nudges = await subscription.next(BATCH_SIZE)
                        self._wake.set()
                        await subscription.ack(nudges[-1])
            attempt += 1
            await asyncio.sleep(RECONNECT_BACKOFF.delay(attempt) or 0.0)

    async def _every(self, seconds: float, step: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._guarded(step())

    async def _guarded(self, step: Awaitable[object]) -> bool:
        """Run a step whose failure must not end the task; True if it succeeded and did something."""
        try:
            return bool(await step)
        except SharetallyError as error:
            log.info("deliveries wait for the database", reason=error.detail)
        except Exception as error:  # a library's fault must not end an owned task
            log.error("delivery step failed", reason=reason_of(error), exc_info=True)
        return False
