"""Leases without wall clocks: a worker increments a counter, and others watch it with their own monotonic clocks.

All leases of a worker depend on its one counter. If another worker sees that the counter has not changed for 60
seconds, it takes over that worker's leases. Jumps of the database's clock have no effect, and neither has an outage of
the database, because a watcher that could not read the counters starts its 60 seconds again.

Nobody takes over from a worker that lives. If the reply to a claim is lost, the worker itself releases what it holds
without knowing it (`loop.py`).

If no worker had a heartbeat for 15 minutes, the database may have been restored from a backup, which does not know
what was delivered after it. Before the first worker registers, each kind is told what was due before the pause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sharetally.domain.ids import new_id
from sharetally.ports import DeliveryStore

BEAT_SECONDS = 5.0
LAPSE_SECONDS = 60.0
STALE_SECONDS = 30.0  # no attempt begins under a lease this old, because others may soon take it over
LONGEST_GAP_SECONDS = 3 * BEAT_SECONDS
IDLE = timedelta(minutes=15)
log = structlog.get_logger("sharetally.delivery")


class WorkerLease:
    """This worker's own counter; `worker` is a new id each time the leases were lost.

    If no worker had a heartbeat for a while, `on_idle` gets the time since when, before this one has its first.
    """

    def __init__(
        self,
        store: DeliveryStore,
        *,
        version: str,
        clock: Callable[[], float],
        on_idle: Callable[[datetime], Awaitable[None]],
    ) -> None:
        self._store = store
        self._version = version
        self._clock = clock
        self._on_idle = on_idle
        self._beats = 0
        self._renewed_at = float("-inf")
        self.worker = new_id()

    async def begin(self) -> None:
        """Register as a new worker that has no leases."""
        worker, now = new_id(), self._clock()
        await self._check_idle()
        await self._store.register(worker, self._version)
        self.worker, self._beats, self._renewed_at = worker, 0, now

    async def renew(self) -> bool:
        """Increment the counter; False if the leases are lost, in which case this worker has a new id."""
        now = self._clock()
        if self.age > IDLE.total_seconds():
            await self._check_idle()
        if await self._store.heartbeat(self.worker, self._beats):
            self._beats += 1
            self._renewed_at = now
            return True
        log.warning("leases lost", worker=str(self.worker))
        await self.begin()
        return False

    async def _check_idle(self) -> None:
        since = await self._store.idle_since(IDLE)
        if since is not None:
            await self._on_idle(since)

    @property
    def age(self) -> float:
        """Seconds since the lease was last renewed; check it right before the first byte of an attempt."""
        return self._clock() - self._renewed_at

    @property
    def stale(self) -> bool:
        """Whether the lease is too old for an attempt to begin."""
        return self.age > STALE_SECONDS


class HeldLease:
    """What one attempt knows of its worker's lease: it does not follow the worker to the next one."""

    def __init__(self, lease: WorkerLease) -> None:
        self._lease = lease
        self.worker = lease.worker

    @property
    def stale(self) -> bool:
        """Whether the lease is too old to send anything, or was lost."""
        return self._lease.worker != self.worker or self._lease.stale


class LeaseWatch:
    """Watches the counters of all other workers."""

    def __init__(self, store: DeliveryStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[UUID, tuple[int, float]] = {}
        self._checked_at = float("-inf")

    async def take_over_lapsed(self, own: UUID) -> int:
        """Read the counters once and take over lapsed leases; return how many deliveries had one."""
        counters = dict(await self._store.heartbeats())
        counters.pop(own, None)
        now = self._clock()
        if now - self._checked_at > LONGEST_GAP_SECONDS:
            self._seen.clear()
        self._checked_at = now
        self._seen = {
            worker: seen if (seen := self._seen.get(worker)) and seen[0] == beats else (beats, now)
            for worker, beats in counters.items()
        }
        lapsed = [(worker, beats) for worker, (beats, since) in self._seen.items() if now - since >= LAPSE_SECONDS]
        total = 0
        for worker, beats in lapsed:
            deliveries = await self._store.take_over(worker, beats)
            del self._seen[worker]
            if deliveries:
                log.warning("leases taken over", worker=str(worker), deliveries=deliveries)
            total += deliveries
        return total
