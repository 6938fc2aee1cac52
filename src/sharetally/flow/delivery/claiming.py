"""Claiming: finds the gates that have something due and divides this worker's free slots among them.

A search starts at a lower bound, so that it skips index entries that are already dead; every ten seconds it starts
from the very beginning. Failing targets get at most half of the slots, so that they never hold up the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from sharetally.domain.delivery import Delivery
from sharetally.flow.delivery.leases import WorkerLease
from sharetally.ports import DeliveryStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MARGIN = timedelta(seconds=5)  # the longest that a transaction may take from reading the clock to its commit
FULL_SCAN_SECONDS = 10.0
SET_BACK = timedelta(seconds=1)
log = structlog.get_logger("sharetally.delivery")


class Slots(NamedTuple):
    """How many more attempts may begin: in all, and at failing targets."""

    free: int
    free_for_failing: int


class Work(NamedTuple):
    """A claimed delivery, and whether its target was failing when it was claimed."""

    delivery: Delivery
    failing: bool


class Claimer:
    """Claims deliveries for one worker."""

    def __init__(
        self,
        store: DeliveryStore,
        lease: WorkerLease,
        kinds: Collection[str],
        *,
        clock: Callable[[], float],
        versions: Collection[str] = (),
    ) -> None:
        self._store = store
        self._lease = lease
        self._kinds = kinds
        self._versions = versions
        self._clock = clock
        self._since = EPOCH
        self._full_scan_at = float("-inf")
        self._seen: tuple[datetime, float] | None = None

    async def claim(self, slots: Slots) -> list[Work]:
        """Lease what is due: healthy targets first, and for each gate an equal share of the free slots."""
        if self._clock() >= self._full_scan_at:
            self._since, self._full_scan_at = EPOCH, self._clock() + FULL_SCAN_SECONDS
        due = await self._store.due(self._kinds, self._since, self._versions)
        if self._was_set_back(due.now):
            self._since = EPOCH
            log.warning("the database's clock was set back", rescheduled=await self._store.reschedule())
            due = await self._store.due(self._kinds, self._since, self._versions)
        bounds = [due.now]
        work: list[Work] = []
        gates = sorted(due.gates, key=lambda gate: gate.failing)
        for index, gate in enumerate(gates):
            free = slots.free - len(work)
            if gate.failing:
                free = min(free, slots.free_for_failing - sum(each.failing for each in work))
            if free <= 0:
                bounds.append(self._since + MARGIN)  # keeps the lower bound where it is
                continue
            share = max(1, free // (len(gates) - index))
            claimed = await self._store.claim(self._lease.worker, gate, self._kinds, self._since, share)
            bounds.append(claimed.earliest or due.now)
            work += [Work(each, gate.failing) for each in claimed.deliveries]
        self._since = max(EPOCH, min(bounds) - MARGIN)
        return work

    def _was_set_back(self, now: datetime) -> bool:
        """Whether the database's clock has advanced less than our own monotonic clock."""
        local, before = self._clock(), self._seen
        self._seen = (now, local)
        return before is not None and now < before[0] + timedelta(seconds=local - before[1]) - SET_BACK


def free_slots(slots: int, running: Sequence[Work]) -> Slots:
    """The slots that the running attempts leave free."""
    failing = sum(work.failing for work in running)
    return Slots(free=slots - len(running), free_for_failing=max(0, slots // 2 - failing))
