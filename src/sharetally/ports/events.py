"""The store of events, as the relay, operators and metrics use it: the transactional outbox of the ledger.

The transaction of `ports/ledger` inserts and burns events; this store claims them for publishing, parks the ones that
cannot be processed, and measures the backlog. All times are the database's clock. Every method may raise `Unavailable`;
methods that write may also raise `TransientConflict`, after which the call can be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event
from sharetally.domain.spending import PlatformSpending
from sharetally.ports.deliveries import DeliveryBacklog
from sharetally.ports.ledger import Transaction


class EventRef(NamedTuple):
    """The part of an event that is published: enough to find the row and to announce its content item."""

    id: UUID
    job: str
    content: ContentRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkedEvent:
    """A parked event, with the reason that is stored on its row."""

    event: Event
    reason: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """How many events are pending and parked; `oldest` is the age in seconds of the oldest pending event."""

    pending: int
    parked: int
    oldest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BacklogReport:
    """Backlogs of events and deliveries, None if the database did not answer; messages by queue, if the broker did.

    `spending` is what posts have cost today, by platform, if the database answered.
    """

    backlog: Backlog | None = None
    deliveries: DeliveryBacklog | None = None
    depths: Mapping[str, int] = field(default_factory=dict)
    spending: Sequence[PlatformSpending] = ()


class EventStore(Protocol):
    """Events between their commit and their burning. All times are the database's clock."""

    async def now(self) -> datetime:
        """The database's clock, in UTC."""
        ...

    async def backlog(self) -> Backlog:
        """Count pending and parked events."""
        ...

    async def has_unburned_older_than(self, seconds: float) -> bool:
        """Whether any pending event was sent more than `seconds` ago and is still there."""
        ...

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventRef]:
        """Mark at most `limit` pending events of these jobs as sent now, and return them.

        Takes events that were last sent before `sent_before`; None takes all. Concurrent relays get different events.
        An empty list means that none is left.
        """
        ...

    async def marks(self) -> Mapping[str, datetime]:
        """For each queue the newest marker that came through it."""
        ...

    async def mark(self, queue: str, at: datetime) -> None:
        """Store a marker of a queue. An older marker changes nothing, unless the stored one lies in the future."""
        ...

    async def park(self, event_id: UUID, reason: str) -> None:
        """Set a pending event aside, with the reason; it stays in the invariant.

        Repeating replaces the reason. An event that was burned meanwhile is ignored.
        """
        ...

    async def add_parked(self, event: Event, reason: str) -> None:
        """Store an event that is parked from the start: a job from outside that is malformed."""
        ...

    async def parked(self, *, limit: int, after: UUID | None = None) -> list[ParkedEvent]:
        """At most `limit` parked events, newest first, that follow the event `after`; None starts at the top."""
        ...

    async def parked_by_id(self, event_id: UUID) -> ParkedEvent | None:
        """The parked event with this id; None if there is none, or it is not parked."""
        ...

    async def unpark(self, ids: Sequence[UUID]) -> list[EventRef]:
        """Make parked events pending and mark them as sent now; return those that were parked. Repeating returns none.

        The caller publishes them.
        """
        ...

    async def discard(
        self,
        event_id: UUID,
        adjustments: Sequence[Adjustment],
        audit: AuditEntry,
        settle: Callable[[Transaction], Awaitable[None]] | None = None,
    ) -> bool:
        """Delete a parked event and write the adjustments and the audit entry, in one transaction.

        `settle` may write more in the same transaction. False, with nothing written, if the event is not parked, as
        for a repeated call.
        """
        ...
