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
from sharetally.domain.post import Post
from sharetally.domain.share import RecordKey, ShareRecord
from sharetally.domain.spending import Charge
from sharetally.ports.deliveries import DeliveryWrites
from sharetally.ports.spending import SpendingWrites


class IdempotencyKey(NamedTuple):
    """An Idempotency-Key and the caller it belongs to."""

    caller: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredResponse:
    """The response that was sent under a caller's key, to be sent again, and the hash of its request."""

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
    posts: frozenset[RecordKey] = frozenset()  # of whose records the posts are wanted; the record's lock covers them

    def __or__(self, other: LockSet) -> LockSet:
        return LockSet(
            keys=self.keys | other.keys,
            records=self.records | other.records,
            links=self.links | other.links,
            adjustments=self.adjustments | other.adjustments,
            posts=self.posts | other.posts,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedRows:
    """The locked rows; those that do not exist are missing. `posts` are all posts of a record, oldest first."""

    responses: Mapping[IdempotencyKey, StoredResponse]
    records: Mapping[RecordKey, ShareRecord]
    links: Mapping[UUID, ShareLink]
    adjustments: Mapping[str, Adjustment]
    posts: Mapping[RecordKey, Sequence[Post]] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Writes:
    """What a batch writes: one final state per row, and everything that follows from it."""

    responses: dict[IdempotencyKey, StoredResponse] = field(default_factory=dict)
    new_records: dict[RecordKey, ShareRecord] = field(default_factory=dict)
    changed_records: dict[RecordKey, ShareRecord] = field(default_factory=dict)
    new_links: dict[UUID, ShareLink] = field(default_factory=dict)
    changed_links: dict[UUID, ShareLink] = field(default_factory=dict)
    new_posts: dict[UUID, Post] = field(default_factory=dict)
    changed_posts: dict[UUID, Post] = field(default_factory=dict)
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    released: list[Charge] = field(default_factory=list)  # what posts that are not there had reserved


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """The total of a content item after a move, its new version (microseconds), and the time of the move."""

    shares: int
    version: int
    changed_at: datetime


class CountedEvent(NamedTuple):
    """What the log line of a job shows of a counted event."""

    id: UUID
    job: str
    content: ContentRef
    request_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedBatch:
    """What one batch counted: how many events by job, the content items they were about, the shares they made.

    `events` and `shares`, the new total of each content item, are filled only if each event was requested.
    """

    event_counts: Mapping[str, int] = field(default_factory=dict)
    content_items: Set[ContentRef] = frozenset()
    minute_counts: Sequence[MinuteCount] = ()
    events: Sequence[CountedEvent] = ()
    shares: Mapping[ContentRef, int] = field(default_factory=dict)


class Transaction(Protocol):
    """One open transaction at READ COMMITTED: it commits when its block ends, and rolls back after an error.

    Any method may raise `TransientConflict`, `DataRejected` or `Unavailable`; the end may raise `CommitOutcomeUnknown`.
    """

    async def lock(self, lock_set: LockSet) -> LockedRows:
        """Lock every referenced row that exists, in the order in which all transactions lock."""
        ...

    async def write(self, writes: Writes) -> None:
        """Insert new rows with audit and events, sorted, then update changed ones, then release charges."""
        ...

    async def take(self, ids: Sequence[UUID]) -> list[Event]:
        """Lock and return the events that are still there and not parked, in the order of their ids."""
        ...

    async def burn(self, ids: Sequence[UUID]) -> None:
        """Delete events that this transaction took."""
        ...

    async def move(self, changes: Mapping[ContentRef, CountChange]) -> dict[ContentRef, Total]:
        """Move totals, cells and rollups, in the order of the content items; return the new totals."""
        ...

    async def count(self, ids: Sequence[UUID], jobs: Collection[str], *, each_event: bool = False) -> CountedBatch:
        """Take, burn and move the events that exist, are not parked, and belong to one of these jobs.

        With `each_event` the result also lists the events and the new totals.
        """
        ...

    async def emit(self, events: Sequence[Event]) -> None:
        """Write new events, which follow from the burned ones."""
        ...

    @property
    def spending(self) -> SpendingWrites:
        """What posting costs; reserved before delivery targets and deliveries are locked."""
        ...

    @property
    def deliveries(self) -> DeliveryWrites:
        """Deliveries, which are written and finished together with all else that this transaction does."""
        ...

    @property
    def emitted(self) -> Sequence[Event]:
        """Every event that `write` and `emit` have written, without those that were rolled back."""
        ...

    async def execute(self, statement: str, parameters: Mapping[str, object]) -> list[Mapping[str, object]]:
        """Run SQL with `:name` parameters in this transaction: for hooks that keep tables of their own."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Begin a part that can fail alone: an error in the block undoes the part, and is raised to the caller."""
        ...


class Ledger(Protocol):
    """Begins transactions, and finds out whether one was committed."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; `Unavailable` if no connection is free in time."""
        ...

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """Whether a transaction whose COMMIT was not answered was committed, which any of its audit rows shows."""
        ...
