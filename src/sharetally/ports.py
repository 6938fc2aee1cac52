"""What the flow needs from the world: Protocols and the values that cross them.

Each method says what success and failure are and what a repeated call does. Implementations are in
`adapters/`; one contract suite per port runs over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Change, Count
from sharetally.domain.event import Event
from sharetally.domain.link import ShareLink
from sharetally.domain.proof import CellProof, Verdict
from sharetally.domain.share import RecordKey, ShareRecord

# the committer's values


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class CallerKey:
    """An Idempotency-Key and the caller it belongs to."""

    caller: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """What was answered under a caller's key: bytes to send again, and the hash of the request."""

    request_hash: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """Every row that a batch may touch; locked in this order of tables, keys sorted within each."""

    keys: frozenset[CallerKey] = frozenset()
    records: frozenset[RecordKey] = frozenset()
    links: frozenset[UUID] = frozenset()
    adjustments: frozenset[str] = frozenset()

    def __or__(self, other: References) -> References:
        return References(
            keys=self.keys | other.keys,
            records=self.records | other.records,
            links=self.links | other.links,
            adjustments=self.adjustments | other.adjustments,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """What stands under the lock: only rows that exist."""

    answers: Mapping[CallerKey, StoredAnswer]
    records: Mapping[RecordKey, ShareRecord]
    links: Mapping[UUID, ShareLink]
    adjustments: Mapping[str, Adjustment]


@dataclass(kw_only=True, slots=True)
class Writes:
    """What a batch writes: one final state per row, and everything that follows from it."""

    answers: dict[CallerKey, StoredAnswer] = field(default_factory=dict)
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


# database


class Transaction(Protocol):
    """One open transaction at READ COMMITTED; left normally it commits, by an error it rolls back.

    Every method may raise `RunAgain`, `DataRefused` or `Unavailable`; leaving may raise `CommitUnknown`.
    """

    async def lock(self, references: References) -> Locked:
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

    async def move(self, changes: Mapping[ContentRef, Change]) -> dict[ContentRef, Total]:
        """Move totals, cells and rollups, contents in sorted order; return the new totals."""
        ...

    async def emit(self, events: Sequence[Event]) -> None:
        """Write new events: what follows from what was burned."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class EventHead:
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


class Outbox(Protocol):
    """The events, as relay, operators and metrics see them. All times are the database's clock."""

    async def now(self) -> datetime:
        """The database's clock, UTC."""
        ...

    async def backlog(self) -> Backlog:
        """Count what waits."""
        ...

    async def waiting_longer_than(self, seconds: float) -> bool:
        """Whether any event that is not parked was sent so long ago and is still there."""
        ...

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventHead]:
        """Stamp events last sent before then (None: all) as sent now, and return them; another relay gets others."""
        ...

    async def marks(self) -> Mapping[str, datetime]:
        """Queue -> the newest marker that came through it."""
        ...

    async def mark(self, queue: str, at: datetime) -> None:
        """Note a marker; an older one than stands changes nothing."""
        ...

    async def park(self, event_id: UUID, reason: str) -> None:
        """Set an event aside with its reason; it stays in the invariant. Repeating changes the reason."""
        ...

    async def park_new(self, event: Event, reason: str) -> None:
        """Write an event that is parked from the start: a job from outside that is none."""
        ...

    async def parked(self, *, limit: int, after: UUID | None = None) -> list[ParkedEvent]:
        """Parked events, newest first."""
        ...

    async def parked_event(self, event_id: UUID) -> ParkedEvent | None:
        """One parked event."""
        ...

    async def unpark(self, ids: Sequence[UUID]) -> list[EventHead]:
        """Make events pending again and return those that were parked; repeating returns none."""
        ...

    async def discard(self, event_id: UUID, adjustments: Sequence[Adjustment], audit: AuditEntry) -> bool:
        """Delete a parked event and write what cancels it, in one transaction; False if it is not parked."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformStatus:
    """Live records on one platform, by anyone; `last_shared_at` None where nobody ever shared."""

    shares: int
    last_shared_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which lines of the audit; None does not filter. `start` is included, `end` is not."""

    content_type: str | None = None
    content_id: str | None = None
    platform: str | None = None
    user_id: str | None = None
    status: str | None = None
    action: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFilter:
    """Which live links; None does not filter."""

    content_type: str | None = None
    content_id: str | None = None
    user_id: str | None = None
    campaign: str | None = None


class Reading(Protocol):
    """The read side; nothing here takes a lock."""

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        """The stored counts, in the order asked; version 0 where nothing was ever shared."""
        ...

    async def consistent(self, contents: Sequence[ContentRef]) -> list[Count]:
        """Counts plus what is committed and not yet counted, in ONE statement."""
        ...

    async def platform_status(self, content: ContentRef) -> Mapping[str, PlatformStatus]:
        """Live records by platform, what is not yet counted included, in ONE statement."""
        ...

    async def records_of(self, content: ContentRef, user_id: str) -> Mapping[str, ShareRecord]:
        """One user's records of one content, by platform."""
        ...

    async def record(self, record_id: UUID) -> ShareRecord | None:
        """One record."""
        ...

    async def link(self, link_id: UUID) -> ShareLink | None:
        """One link, deleted ones included."""
        ...

    async def link_by_code(self, code: str) -> tuple[ShareLink, bool] | None:
        """A link and whether it has expired by the database's clock; deleted ones included."""
        ...

    async def links(self, which: LinkFilter, *, limit: int, after: UUID | None) -> list[ShareLink]:
        """Live links, newest first, that come after this id in that order."""
        ...

    async def audit(self, which: AuditFilter, *, limit: int, after: UUID | None) -> list[AuditEntry]:
        """Lines of the audit, newest first, that come after this id in that order."""
        ...


class Proving(Protocol):
    """The look that nobody has to believe, and the mend."""

    async def proof(self, content: ContentRef) -> tuple[list[CellProof], datetime]:
        """The total and every cell of one content, from one snapshot, and the time of that snapshot."""
        ...

    async def verify(self, content: ContentRef | None, progress: Callable[[int], None]) -> Verdict:
        """Check one content or all; tells progress in contents looked at. Takes no locks."""
        ...

    async def repair(self, drifted: CellProof, audit: AuditEntry) -> int:
        """Add -drift to the cell under the content's lock, as the drift stands then; return what was added."""
        ...

    async def restored(self) -> int:
        """After a restore: raise all versions above any that was announced, forget marks and send times."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A server's key as stored: the key itself is only known as its SHA-256."""

    id: UUID
    name: str
    digest: bytes
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None


class KeyStore(Protocol):
    """API keys."""

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key."""
        ...

    async def keys(self) -> list[ApiKey]:
        """All keys, newest first, revoked ones included."""
        ...

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, revoked or not."""
        ...

    async def revoke_key(self, key_id: UUID) -> bool:
        """Revoke; False if there is no such key. Repeating keeps the first time."""
        ...


class Schema(Protocol):
    """The schema of the database."""

    async def revision(self) -> str | None:
        """The revision that the database stands at, None before the first."""
        ...

    async def purge_answers(self, older_than_seconds: float) -> int:
        """Forget stored answers of Idempotency-Keys that are older; return how many."""
        ...


class Database(Ledger, Outbox, Reading, Proving, KeyStore, Schema, Protocol):
    """All of it: what a database adapter implements."""

    async def open(self) -> None:
        """Connect; `Unavailable` when nobody answers."""
        ...

    async def close(self) -> None:
        """Give every connection back; repeating is fine."""
        ...


# broker


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """A work queue: `sharetally.<name>`, fed by the routing keys of `jobs`."""

    name: str
    jobs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message inside: routing key `job` (or `mark.<queue>`), body a JSON array of jobs."""

    job: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedMessage:
    """One job for the outside world, to the topic exchange `sharetally.events`."""

    job: str
    message_id: str
    at: datetime
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message in hand. `tag` grows with arrival within one consumer; `job` is its routing key or type."""

    tag: int
    job: str
    body: bytes
    redelivered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueState:
    """What the broker says of a queue: messages ready, consumers attached. An estimate, never a proof."""

    depth: int
    consumers: int


class Subscription(Protocol):
    """Deliveries of one queue, in order; at most `prefetch` are unacknowledged."""

    async def next(self, at_most: int) -> list[Delivery]:
        """Wait for one delivery, then return it with all that is already here, `at_most`.

        Raises `BrokerUnavailable` when the connection is lost: what was not acknowledged comes again.
        """
        ...

    async def ack(self, last: Delivery) -> None:
        """Acknowledge this delivery and every one before it."""
        ...

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Copy a message that holds no job to the dead queue; it still has to be acknowledged."""
        ...


class Broker(Protocol):
    """Carries jobs, in order within a queue, at least once; losing some is allowed, the relay sends again."""

    @property
    def volatile(self) -> bool:
        """Whether queued messages die with this process."""
        ...

    async def open(self, queues: Sequence[Queue]) -> None:
        """Connect and declare the topology; keeps trying in the background when nobody answers."""
        ...

    async def close(self) -> None:
        """Leave; repeating is fine."""
        ...

    @property
    def connected(self) -> bool:
        """Whether publishing has a chance just now."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish durably and wait for every confirm; `BrokerUnavailable` if any is missing or returned."""
        ...

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside feed and wait for every confirm; nobody listening is fine."""
        ...

    def subscribe(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[Subscription]:
        """Consume one queue over a connection that does not publish."""
        ...

    async def state(self, queue: str) -> QueueState | None:
        """Depth and consumers; None when it cannot be told."""
        ...


# cache, clock, platform


class Cache(Protocol):
    """Counts by content. A fault or a slow answer is a miss, never an error."""

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked."""
        ...

    async def put(self, counts: Iterable[Count]) -> None:
        """Store; a lower version never overwrites a higher one."""
        ...

    async def ping(self) -> bool:
        """Whether it answers."""
        ...

    async def open(self) -> None:
        """Connect; never fails because nobody answers."""
        ...

    async def close(self) -> None:
        """Leave; repeating is fine."""
        ...


class Clock(Protocol):
    """The time, as the database sees it, without asking it each time."""

    def now(self) -> datetime:
        """UTC, to the microsecond."""
        ...


class Platform(Protocol):
    """A place people share to."""

    @property
    def name(self) -> str:
        """Lower case, as in SHARE_PLATFORMS."""
        ...

    @property
    def label(self) -> str:
        """As people write it."""
        ...

    @property
    def text_limit(self) -> int | None:
        """Longest text in the platform's own measure, None where there is no known limit."""
        ...

    @property
    def server_post(self) -> bool:
        """Whether this version can post there on a user's behalf."""
        ...

    def intent(self, *, url: str, text: str) -> str | None:
        """The platform's own share page, everything percent-encoded; None where there is none."""
        ...


class Stop(Protocol):
    """Says when a role should end."""

    def is_set(self) -> bool:
        """Whether to end."""
        ...

    async def wait(self) -> object:
        """Return when it is time to end."""
        ...


class Meter(Protocol):
    """Where the flow counts what it does; never raises, costs next to nothing."""

    def shares(self, platform: str, mode: str, status: str, number: int = 1) -> None:
        """Answered share requests, by platform, mode and resulting status."""
        ...

    def share_error(self, platform: str, reason: str) -> None:
        """A share request that was refused or failed; `platform` is empty where it is not known."""
        ...

    def batch(self, size: int) -> None:
        """Wishes in one commit."""
        ...

    def statement(self, name: str, seconds: float) -> None:
        """Time in the database for one step: lock, write, commit, take, move, …"""
        ...

    def job(self, job: str, outcome: str, seconds: float, number: int = 1) -> None:
        """Jobs handled: `counted`, `duplicate`, `parked`, `failed`; `seconds` of each."""
        ...
