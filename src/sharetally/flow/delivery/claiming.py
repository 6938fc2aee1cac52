"""Claiming: which gates have something due, and how the slots of this worker are shared out among them.

A claim begins its search at a lower bound, past index entries that are already dead, and from the very start every
ten seconds. What fails gets at most half of the slots, so that it never keeps the rest waiting.
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
MARGIN = timedelta(seconds=5)  # what a transaction may need from reading the clock to its commit
FULL_SCAN_SECONDS = 10.0
SET_BACK = timedelta(seconds=1)
log = structlog.get_logger("sharetally.delivery")


class Slots(NamedTuple):
    """Free places for new attempts: of all, and of those that failing targets may have."""

    free: int
    free_for_failing: int


class Work(NamedTuple):
    """A claimed delivery, and whether its target was failing then."""

    delivery: Delivery
    failing: bool


class Claimer:
    """One per worker."""

    def __init__(
        self, store: DeliveryStore, lease: WorkerLease, kinds: Collection[str], *, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._lease = lease
        self._kinds = kinds
        self._clock = clock
        self._since = EPOCH
        self._full_scan_at = float("-inf")
        self._seen: tuple[datetime, float] | None = None

    async def claim(self, slots: Slots) -> list[Work]:
        """Lease what is due, healthy targets first, each gate its share of what is free."""
        if self._clock() >= self._full_scan_at:
            self._since, self._full_scan_at = EPOCH, self._clock() + FULL_SCAN_SECONDS
        due = await self._store.due(self._kinds, self._since)
        if self._was_set_back(due.now):
            self._since = EPOCH
            log.warning("the database's clock was set back", rescheduled=await self._store.reschedule())
            due = await self._store.due(self._kinds, self._since)
        bounds = [due.now]
        work: list[Work] = []
        waiting = sorted(due.gates, key=lambda gate: gate.failing)
        for place, gate in enumerate(waiting):
            free = slots.free - len(work)
            if gate.failing:
                free = min(free, slots.free_for_failing - sum(each.failing for each in work))
            if free <= 0:
                bounds.append(self._since + MARGIN)  # it stays where it is
                continue
            share = max(1, free // (len(waiting) - place))
            claimed = await self._store.claim(self._lease.worker, gate, self._kinds, self._since, share)
            bounds.append(claimed.earliest or due.now)
            work += [Work(each, gate.failing) for each in claimed.deliveries]
        self._since = max(EPOCH, min(bounds) - MARGIN)
        return work

    def _was_set_back(self, now: datetime) -> bool:
        """Whether less time has passed by the database's clock than by our own."""
        ours, seen = self._clock(), self._seen
        self._seen = (now, ours)
        return seen is not None and now < seen[0] + timedelta(seconds=ours - seen[1]) - SET_BACK


def shares(slots: int, running: Sequence[Work]) -> Slots:
    """What is free beside the attempts that are running."""
    failing = sum(work.failing for work in running)
    return Slots(free=slots - len(running), free_for_failing=max(0, slots // 2 - failing))
