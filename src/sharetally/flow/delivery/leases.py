"""Leases without clocks: a worker counts a counter up, and others watch it by their own monotonic clock.

All leases of a worker hang on its one counter. Whoever sees a counter stand still for 60 seconds takes that worker's
leases over. A database clock that jumps changes nothing; neither does an outage of the database, because a watcher
that could not look begins its 60 seconds anew.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import structlog

from sharetally.domain.ids import new_id
from sharetally.ports import DeliveryStore

BEAT_SECONDS = 5.0
LAPSE_SECONDS = 60.0
STALE_SECONDS = 30.0  # a lease that was not renewed for so long begins no attempt: others may count on its end soon
LONGEST_GAP_SECONDS = 3 * BEAT_SECONDS
log = structlog.get_logger("sharetally.delivery")


class WorkerLease:
    """This worker's own counter; `worker` is new each time the leases were lost."""

    def __init__(self, store: DeliveryStore, *, version: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._version = version
        self._clock = clock
        self._renewed_at = float("-inf")
        self.worker = new_id()

    async def begin(self) -> None:
        """Register as a new worker, without leases."""
        worker, now = new_id(), self._clock()
        await self._store.register(worker, self._version)
        self.worker, self._renewed_at = worker, now

    async def renew(self) -> bool:
        """Count up; False if the leases were taken over, and a new worker has begun."""
        now = self._clock()
        if await self._store.heartbeat(self.worker):
            self._renewed_at = now
            return True
        log.warning("leases lost", worker=str(self.worker))
        await self.begin()
        return False

    @property
    def age(self) -> float:
        """Seconds since the lease was last known to hold; check it right before the first byte of an attempt."""
        return self._clock() - self._renewed_at

    @property
    def stale(self) -> bool:
        """Whether it is too old for an attempt to begin."""
        return self.age > STALE_SECONDS


class LeaseWatch:
    """Watches the counters of all other workers."""

    def __init__(self, store: DeliveryStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[UUID, tuple[int, float]] = {}
        self._looked_at = float("-inf")

    async def look(self, own: UUID) -> int:
        """One look; returns how many leases were taken over."""
        counters = dict(await self._store.heartbeats())
        counters.pop(own, None)
        now = self._clock()
        if now - self._looked_at > LONGEST_GAP_SECONDS:
            self._seen.clear()
        self._looked_at = now
        self._seen = {
            worker: seen if (seen := self._seen.get(worker)) and seen[0] == beats else (beats, now)
            for worker, beats in counters.items()
        }
        lapsed = [(worker, beats) for worker, (beats, since) in self._seen.items() if now - since >= LAPSE_SECONDS]
        return sum([await self._take_over(worker, beats) for worker, beats in lapsed])

    async def _take_over(self, worker: UUID, beats: int) -> int:
        taken = await self._store.take_over(worker, beats)
        del self._seen[worker]
        if taken:
            log.warning("leases taken over", worker=str(worker), deliveries=taken)
        return taken
