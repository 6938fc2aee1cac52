"""The store of deliveries, each of which brings one message to one target outside.

`DeliveryWrites` works within the transaction of its caller: a delivery is written together with its cause, and finished
together with what its outcome changes. `DeliveryStore` has transactions of its own: for claims, leases and lists. All
times come from the database's clock; leases do not depend on any clock.

Lock order: idempotency keys, records, links, adjustments, posts, delivery targets, deliveries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from sharetally.domain.delivery import Delivery, DeliveryState, Outcome


class Target(NamedTuple):
    """Where deliveries go. Pacing, order and circuit breaking apply to each target by itself.

    `gate` is what many targets have in common, and what can be closed for all of them at once. At most `max_in_flight`
    attempts run at the same time. Once `max_waiting` deliveries wait, the target is disabled; None means never.
    """

    kind: str
    name: str
    gate: str
    max_in_flight: int = 1
    max_waiting: int | None = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDelivery:
    """A delivery to be written; deliveries of the same `message_id` share one stored payload.

    Without `due_at` it is due at once. `payload` is JSON of at most `MAX_PAYLOAD` bytes.
    """

    id: UUID
    target: Target
    key: str
    message_id: UUID
    payload: str
    due_at: datetime | None = None


class DueGate(NamedTuple):
    """An open gate that has something due, among its failing targets or among the others."""

    gate: str
    failing: bool


class ClosedGate(NamedTuple):
    """A gate that is closed, and why; without `until` it stays closed until somebody opens it.

    `version` is the one version of a platform's API for which it is closed, such as `linkedin/202511`; None means all.
    """

    gate: str
    reason: str
    until: datetime | None
    version: str | None


class Due(NamedTuple):
    """The gates that had something due at `now`."""

    now: datetime
    gates: Sequence[DueGate]


class Claimed(NamedTuple):
    """The claimed deliveries; `earliest` is when the first target that was found was due, None if none was found."""

    deliveries: Sequence[Delivery]
    earliest: datetime | None


class DeliveryCount(NamedTuple):
    """How many deliveries of a kind are in a state."""

    kind: str
    state: DeliveryState
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryBacklog:
    """The unfinished deliveries by kind and state, and by kind the seconds since the oldest waiting one became due."""

    counts: Sequence[DeliveryCount]
    oldest_due: Mapping[str, float]


class DeliveryWrites(Protocol):
    """Deliveries within an open transaction; each method raises the errors of the transaction."""

    @property
    def enqueued(self) -> bool:
        """Whether this transaction has written a delivery, so that it is worth a nudge after the commit."""
        ...

    async def enqueue(self, deliveries: Sequence[NewDelivery]) -> Sequence[UUID]:
        """Write deliveries and make their targets due; return the ids that were written.

        A key that its target already has is skipped, as is a target that is disabled or becomes so by this call.
        The targets are locked in the order of their keys; rows that come before them in the lock order must not be
        locked afterwards.
        """
        ...

    async def finish(self, delivery: Delivery, worker: UUID, outcome: Outcome) -> bool:
        """Store how an attempt ended; a `Retry` must have its time.

        False, with nothing written, unless this worker still holds the lease and the attempt is the newest.
        """
        ...

    async def holds(self, delivery: Delivery, worker: UUID) -> bool:
        """Whether this worker holds the lease of the newest attempt; nobody takes it before the transaction ends."""
        ...

    async def store_attempt(self, delivery: Delivery, worker: UUID) -> bool:
        """Store that the message may have been sent from now on: if the lease ends after this, it becomes `unknown`.

        False, with nothing written, unless this worker still holds the lease.
        """
        ...

    async def discard(self, delivery_id: UUID, reason: str) -> Delivery | None:
        """Give up a dead or unknown delivery and move it into the log; None if there is no such delivery."""
        ...

    async def cancel(self, kind: str, target: str, key: str) -> bool:
        """Cancel a waiting delivery and move it into the log; False if it does not wait, or no longer."""
        ...

    async def block(self, kind: str, target: str, until: datetime) -> None:
        """Send nothing to this target before then."""
        ...


class DeliveryStore(Protocol):
    """Deliveries in transactions of their own; each method may raise `TransientConflict` or `Unavailable`."""

    async def due(self, kinds: Collection[str], since: datetime, versions: Collection[str] = ()) -> Due:
        """Which open gates have targets due between `since` and now. Reads only, and locks nothing.

        A gate that is closed for one version of an API is closed only for those who have it among their `versions`.
        """
        ...

    async def claim(self, worker: UUID, gate: DueGate, kinds: Collection[str], since: datetime, slots: int) -> Claimed:
        """Lease at most `slots` due deliveries of at most 32 due targets; skip targets that others are claiming."""
        ...

    async def register(self, worker: UUID, version: str) -> None:
        """Register a worker that runs this version; it must be registered before it claims."""
        ...

    async def heartbeat(self, worker: UUID, beats: int) -> bool:
        """Raise this worker's counter, which is known to be at least `beats`, by one.

        False if it was taken over and therefore has no leases any more, or if its counter is lower: then the database
        was restored, and the leases are not those that the worker knows.
        """
        ...

    async def idle_since(self, period: timedelta) -> datetime | None:
        """The time this long ago, by the database's clock, if no worker has had a heartbeat since then; else None."""
        ...

    async def heartbeats(self) -> Mapping[UUID, int]:
        """Worker -> its counter, or -1 if a worker holds leases but is no longer registered."""
        ...

    async def take_over(self, worker: UUID, beats: int) -> int:
        """End all leases of a worker whose counter is still `beats`; return how many there were.

        A delivery whose attempt was stored becomes `unknown`, the others wait again; all are due at once.
        """
        ...

    async def release_forgotten(self, worker: UUID, known: Collection[UUID]) -> int:
        """End the worker's leases except for those of the deliveries that it knows, as `take_over` does.

        The reply to a claim may have been lost, and nobody else ends the leases of a worker that lives.
        """
        ...

    async def leave(self, worker: UUID) -> None:
        """Forget a worker that ends normally, if it holds no leases."""
        ...

    async def reschedule(self) -> int:
        """After the database's clock was set back, correct the due times that were computed from it before."""
        ...

    async def close_gate(
        self, gate: str, reason: str, until: datetime | None = None, *, version: str | None = None
    ) -> None:
        """Let nobody claim targets of this gate until then, or until it is opened; repeating replaces all values.

        With `version`, only those who use this version of an API claim nothing.
        """
        ...

    async def open_gate(self, gate: str) -> None:
        """Open the gate; a repeated call does nothing."""
        ...

    async def closed_gates(self, versions: Collection[str] = ()) -> list[ClosedGate]:
        """The gates that are closed now for those who use these versions, by name."""
        ...

    async def enable(self, kind: str, target: str) -> bool:
        """Let a disabled target accept deliveries again; False if there is no such target."""
        ...

    async def expire_disabled(self, at_most: int) -> int:
        """Make at most that many waiting deliveries of disabled targets dead; return how many."""
        ...

    async def backlog(self) -> DeliveryBacklog:
        """Count the unfinished deliveries."""
        ...

    async def stuck(self, *, limit: int, after: UUID | None = None) -> list[Delivery]:
        """Dead and unknown deliveries, newest first."""
        ...

    async def stuck_by_id(self, delivery_id: UUID) -> Delivery | None:
        """The dead or unknown delivery with this id."""
        ...

    async def replay(self, ids: Sequence[UUID], *, over: timedelta = timedelta()) -> list[UUID]:
        """Make dead and unknown deliveries wait again from attempt 0, with due times spread `over` a period.

        Returns the ids of those that wait again; a repeated call returns none.
        """
        ...

    async def purge(self, *, failures_older_than: timedelta, at_most: int) -> int:
        """Delete old failures from the log, and messages without deliveries; return how many rows were deleted."""
        ...

    async def trim(self, kind: str, target: str, *, keep: int, at_most: int) -> int:
        """Delete all but the newest `keep` successes of one target from the log; return how many were deleted."""
        ...
