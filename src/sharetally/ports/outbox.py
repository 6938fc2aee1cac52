"""The events as relay, operators and metrics see them. All times are the database's clock."""

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
from sharetally.ports.deliveries import DeliveryBacklog
from sharetally.ports.ledger import Transaction


class EventRef(NamedTuple):
    """What the relay sends of an event: enough to find the row and to announce its content."""

    id: UUID
    job: str
    content: ContentRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkedEvent:
    """A parked event with the reason that is written on its row."""

    event: Event
    reason: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """What waits: `oldest` is the age in seconds of the oldest event that is neither burned nor parked."""

    pending: int
    parked: int
    oldest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BacklogReport:
    """What waits in the database, None if it did not tell; messages by queue, where the broker told."""

    backlog: Backlog | None = None
    deliveries: DeliveryBacklog | None = None
    depths: Mapping[str, int] = field(default_factory=dict)


class Outbox(Protocol):
    """The events, as relay, operators and metrics see them. All times are the database's clock."""

    async def now(self) -> datetime:
        """The database's clock, UTC."""
        ...

    async def backlog(self) -> Backlog:
        """Count what waits."""
        ...

    async def has_unburned_older_than(self, seconds: float) -> bool:
        """Whether any event that is not parked was sent so long ago and is still there."""
        ...

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventRef]:
        """Stamp events last sent before then (None: all) as sent now, and return them; another relay gets others."""
        ...

    async def marks(self) -> Mapping[str, datetime]:
        """Queue -> the newest marker that came through it."""
        ...

    async def mark(self, queue: str, at: datetime) -> None:
        """Note a marker; an older one changes nothing, but where a marker from the future stands."""
        ...

    async def park(self, event_id: UUID, reason: str) -> None:
        """Set an event aside with its reason; it stays in the invariant. Repeating changes the reason."""
        ...

    async def insert_parked(self, event: Event, reason: str) -> None:
        """Write an event that is parked from the start: a job from outside that is none."""
        ...

    async def parked(self, *, limit: int, after: UUID | None = None) -> list[ParkedEvent]:
        """Parked events, newest first."""
        ...

    async def parked_event(self, event_id: UUID) -> ParkedEvent | None:
        """One parked event."""
        ...

    async def unpark(self, ids: Sequence[UUID]) -> list[EventRef]:
        """Make events pending again and return those that were parked; repeating returns none."""
        ...

    async def discard(
        self,
        event_id: UUID,
        adjustments: Sequence[Adjustment],
        audit: AuditEntry,
        settle: Callable[[Transaction], Awaitable[None]] | None = None,
    ) -> bool:
        """Delete a parked event and write what cancels it, in one transaction; False if it is not parked.

        `settle` writes what else follows, in the same transaction.
        """
        ...
