"""The store of deliveries: what leaves for the outside world, one message for one target at a time.

`DeliveryWrites` is the part that belongs to a transaction of somebody else: a delivery is written together with its
cause, and finished together with what its outcome changes. `DeliveryStore` is everything that has a transaction of
its own: claiming, leases, lists. All times are the database's clock, except that leases never depend on a clock.

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
    """Where deliveries go: the unit of pacing, of ordering and of circuit breaking.

    `gate` is what opens and closes for many targets at once. `max_in_flight` attempts run at the same time.
    At `max_waiting` waiting rows the target is disabled; None means that no delivery may ever be left out.
    """

    kind: str
    name: str
    gate: str
    max_in_flight: int = 1
    max_waiting: int | None = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDelivery:
    """A delivery to be written; deliveries of the same `message_id` share one stored payload.

    `due_at` None is at once. `payload` is JSON, `MAX_PAYLOAD` bytes at most.
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


class Due(NamedTuple):
    """What was due at `now`."""

    now: datetime
    gates: Sequence[DueGate]


class Claimed(NamedTuple):
    """What a claim took; `earliest` is when the first target that it saw was due, None if it saw none."""

    deliveries: Sequence[Delivery]
    earliest: datetime | None


class DeliveryCount(NamedTuple):
    """How many deliveries of a kind are in a state."""

    kind: str
    state: DeliveryState
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryBacklog:
    """What waits: counts by kind and state, and by kind for how many seconds the oldest due delivery has been due."""

    counts: Sequence[DeliveryCount]
    oldest_due: Mapping[str, float]


class DeliveryWrites(Protocol):
    """Deliveries within an open transaction; each method may raise what the transaction may."""

    @property
    def enqueued(self) -> bool:
        """Whether this transaction has written any delivery: a nudge is worthwhile once it is committed."""
        ...

    async def enqueue(self, deliveries: Sequence[NewDelivery]) -> Sequence[UUID]:
        """Write deliveries and wake their targets; return the ids that were written.

        A key that its target already has is skipped, as is a target that is disabled or becomes so by this call.
        Locks the targets in sorted order, so nothing that comes before them in the lock order may follow.
        """
        ...

    async def finish(self, delivery: Delivery, worker: UUID, outcome: Outcome) -> bool:
        """Store how an attempt ended; a `Retry` must have its time.

        False, with nothing written, unless this worker still holds the lease and the attempt is the newest.
        """
        ...

    async def store_attempt(self, delivery: Delivery, worker: UUID) -> bool:
        """Note that a byte may be on its way from now on: a lease that lapses after this makes it `unknown`.

        False, with nothing written, unless this worker still holds the lease.
        """
        ...

    async def discard(self, delivery_id: UUID, reason: str) -> Delivery | None:
        """Give up a dead or unknown delivery, which leaves for the log; None if there is no such one."""
        ...

    async def cancel(self, kind: str, target: str, key: str) -> bool:
        """Cancel a waiting delivery, which leaves for the log; False if it is not waiting (any more)."""
        ...

    async def block(self, kind: str, target: str, until: datetime) -> None:
        """Send nothing to this target before then."""
        ...


class DeliveryStore(Protocol):
    """Deliveries in transactions of their own; each method may raise `TransientConflict` or `Unavailable`."""

    async def due(self, kinds: Collection[str], since: datetime) -> Due:
        """Which open gates have targets due between `since` and now. Reads only, and locks nothing."""
        ...

    async def claim(self, worker: UUID, gate: DueGate, kinds: Collection[str], since: datetime, slots: int) -> Claimed:
        """Lease at most `slots` due deliveries of at most 32 due targets; what others are claiming is skipped."""
        ...

    async def register(self, worker: UUID, version: str) -> None:
        """A new worker, which runs this version; it must be registered before it claims."""
        ...

    async def heartbeat(self, worker: UUID) -> bool:
        """Count this worker's counter up by one. False if it was taken over: it has no leases any more."""
        ...

    async def heartbeats(self) -> Mapping[UUID, int]:
        """Worker -> its counter, -1 where a worker that holds leases has no heart any more."""
        ...

    async def take_over(self, worker: UUID, beats: int) -> int:
        """Lapse all leases of a worker whose counter still stands at `beats`; return how many there were.

        An attempt that was stored becomes `unknown`, due for a look at once; all else is waiting and due at once.
        """
        ...

    async def leave(self, worker: UUID) -> None:
        """A worker that ends in order and holds no leases is forgotten."""
        ...

    async def reschedule(self) -> int:
        """After the database's clock was set back: shift relative due times that were computed by the old one."""
        ...

    async def close_gate(self, gate: str, reason: str, until: datetime | None = None) -> None:
        """Claim nothing behind this gate until then, or until it is opened; repeating changes time and reason."""
        ...

    async def open_gate(self, gate: str) -> None:
        """Open it; repeating is fine."""
        ...

    async def enable(self, kind: str, target: str) -> bool:
        """Let a disabled target have deliveries again; False if there is no such target."""
        ...

    async def expire_disabled(self, at_most: int) -> int:
        """Turn waiting deliveries of disabled targets dead, at most so many; return how many."""
        ...

    async def backlog(self) -> DeliveryBacklog:
        """Count what waits."""
        ...

    async def stuck(self, *, limit: int, after: UUID | None = None) -> list[Delivery]:
        """Dead and unknown deliveries, newest first."""
        ...

    async def stuck_by_id(self, delivery_id: UUID) -> Delivery | None:
        """One of them."""
        ...

    async def replay(self, ids: Sequence[UUID], *, over: timedelta = timedelta()) -> list[UUID]:
        """Make dead and unknown deliveries wait again with all their attempts, due one after the other `over` a time.

        Returns those that were; repeating returns none.
        """
        ...

    async def purge(self, *, failures_older_than: timedelta, at_most: int) -> int:
        """Forget old failures in the log and messages that nothing refers to; return how many rows went."""
        ...

    async def trim(self, kind: str, target: str, *, keep: int, at_most: int) -> int:
        """Forget all but the newest successes of one target in the log; return how many went."""
        ...
