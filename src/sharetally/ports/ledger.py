"""The write side: what a transaction locks, writes, burns and moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sharetally.domain.activity import MinuteCount
from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import CountChange
from sharetally.domain.event import Event
from sharetally.domain.link import ShareLink
from sharetally.domain.share import RecordKey, ShareRecord
from sharetally.ports.deliveries import DeliveryWrites


class IdempotencyKey(NamedTuple):
    """An Idempotency-Key and the caller it belongs to."""

    caller: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredResponse:
    """What was answered under a caller's key: bytes to send again, and the hash of the request."""

    request_hash: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class LockSet(NamedTuple):
    """Every row that a batch may touch; locked in this order of tables, keys sorted within each."""

    keys: frozenset[IdempotencyKey] = frozenset()
    records: frozenset[RecordKey] = frozenset()
    links: frozenset[UUID] = frozenset()
    adjustments: frozenset[str] = frozenset()

    def __or__(self, other: LockSet) -> LockSet:
        return LockSet(
            keys=self.keys | other.keys,
            records=self.records | other.records,
            links=self.links | other.links,
            adjustments=self.adjustments | other.adjustments,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedRows:
    """What stands under the lock: only rows that exist."""

    responses: Mapping[IdempotencyKey, StoredResponse]
    records: Mapping[RecordKey, ShareRecord]
    links: Mapping[UUID, ShareLink]
    adjustments: Mapping[str, Adjustment]


@dataclass(kw_only=True, slots=True)
class Writes:
    """What a batch writes: one final state per row, and everything that follows from it."""

    responses: dict[IdempotencyKey, StoredResponse] = field(default_factory=dict)
    new_records: dict[RecordKey, ShareRecord] = field(default_factory=dict)
    changed_records: dict[RecordKey, ShareRecord] = field(default_factory=dict)
    new_links: dict[UUID, ShareLink] = field(default_factory=dict)
    changed_links: dict[UUID, ShareLink] = field(default_factory=dict)
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """A content's total after a move, with its new version (microseconds) and the time of the move."""

    shares: int
    version: int
    changed_at: datetime


class CountedEvent(NamedTuple):
    """As much of a counted event as the log line of its job shows."""

    id: UUID
    job: str
    content: ContentRef
    request_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedBatch:
    """What one batch counted: how many events by job, the content items they were about, the shares they made.

    Only where each event was asked for: the events themselves, and the new total of each of their content items.
    """

    event_counts: Mapping[str, int] = field(default_factory=dict)
    content_items: Set[ContentRef] = frozenset()
    minute_counts: Sequence[MinuteCount] = ()
    events: Sequence[CountedEvent] = ()
    shares: Mapping[ContentRef, int] = field(default_factory=dict)


class Transaction(Protocol):
    """One open transaction at READ COMMITTED; left normally it commits, by an error it rolls back.

    Any method may raise `TransientConflict`, `DataRejected` or `Unavailable`; leaving may raise `CommitOutcomeUnknown`.
    """

    async def lock(self, lock_set: LockSet) -> LockedRows:
        """Lock every referenced row that exists, in the one order that all transactions keep."""
        ...

    async def write(self, writes: Writes) -> None:
        """Insert new rows, sorted, then update changed ones, then insert audit and events."""
        ...

    async def take(self, ids: Sequence[UUID]) -> list[Event]:
        """Lock and return the events that are still there and not parked, in the order of their ids."""
        ...

    async def burn(self, ids: Sequence[UUID]) -> None:
        """Delete events that this transaction took."""
        ...

    async def move(self, changes: Mapping[ContentRef, CountChange]) -> dict[ContentRef, Total]:
        """Move totals, cells and rollups, contents in sorted order; return the new totals."""
        ...

    async def count(self, ids: Sequence[UUID], jobs: Collection[str], *, each_event: bool = False) -> CountedBatch:
        """Take, burn and move in one go: those of these events that are there, not parked and of these jobs.

        With `each_event` the result lists the events and the new totals, too.
        """
        ...

    async def emit(self, events: Sequence[Event]) -> None:
        """Write new events: what follows from what was burned."""
        ...

    @property
    def deliveries(self) -> DeliveryWrites:
        """What leaves for the outside world, written and finished with all else that this transaction does."""
        ...

    @property
    def emitted(self) -> Sequence[Event]:
        """Every event this transaction has written, by `write` and `emit`, without what was rolled back."""
        ...

    async def execute(self, statement: str, parameters: Mapping[str, object]) -> list[Mapping[str, object]]:
        """Run SQL with `:name` parameters in this transaction: for hooks that keep tables of their own."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """A part that can fail alone: an error inside rolls back to here and goes on to the caller."""
        ...


class Ledger(Protocol):
    """The write side."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; `Unavailable` if there is no connection to be had in time."""
        ...

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """Whether a transaction whose COMMIT went unanswered is there, by any of its audit rows."""
        ...
