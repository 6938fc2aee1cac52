"""The unit of work: the rows of one transaction in memory, while commands are applied to them.

Commands are applied in the order of their arrival; each sees what the earlier ones did. A command that is refused
leaves no trace. In the end, one final state per row is written.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.errors import IdempotencyKeyReused
from sharetally.domain.event import Event
from sharetally.domain.link import ShareLink
from sharetally.domain.post import Post
from sharetally.domain.share import RecordKey, ShareRecord
from sharetally.domain.spending import Charge
from sharetally.ports import IdempotencyKey, LockedRows, LockSet, NewDelivery, StoredResponse, Writes

Entity = ShareRecord | ShareLink
K = TypeVar("K")
V = TypeVar("V")
T_co = TypeVar("T_co", covariant=True)


class Command(Protocol[T_co]):
    """What one request wants from the ledger. It may be applied more than once, so its ids are made before."""

    def lock_set(self) -> LockSet:
        """Every row it may touch."""
        ...

    def apply(self, work: UnitOfWork) -> T_co:
        """Change the rows and return the outcome, or raise `Rejected`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class IdempotentCommand:
    """An Idempotency-Key, the hash of the request that came with it, and how its outcome becomes a response."""

    key: IdempotencyKey
    request_hash: bytes
    render: Callable[[object], StoredResponse]


class StoredOnce:
    """A command under an Idempotency-Key: applied once, its response is stored and returned to every repetition."""

    def __init__(self, command: Command[Any], idempotent: IdempotentCommand) -> None:
        self._command = command
        self._idempotent = idempotent

    def lock_set(self) -> LockSet:
        """The rows of the command, and the key."""
        return self._command.lock_set() | LockSet(keys=frozenset({self._idempotent.key}))

    def apply(self, work: UnitOfWork) -> StoredResponse:
        """Return the stored response, or apply the command and store its response."""
        stored = work.stored_response(self._idempotent)
        if stored is None:
            stored = self._idempotent.render(self._command.apply(work))
            work.put_response(self._idempotent.key, stored)
        return stored


class EntityChange(NamedTuple):
    """A record or link before (None: it is new) and after."""

    before: Entity | None
    after: Entity


class UnitOfWork:
    """What the commands of a batch see and change. `now` is the database's clock, one moment for the whole batch."""

    def __init__(self, locked: LockedRows, now: datetime) -> None:
        self.now = now
        self._responses = dict(locked.responses)
        self._records = dict(locked.records)
        self._links = dict(locked.links)
        self._adjustments = dict(locked.adjustments)
        self._posts = {key: {post.id: post for post in posts} for key, posts in locked.posts.items()}
        self._stored_records = set(locked.records)
        self._stored_links = set(locked.links)
        self._stored_posts = {post.id for posts in locked.posts.values() for post in posts}
        self._writes = Writes()
        self._deliveries: list[NewDelivery] = []
        self._undo: list[Callable[[], object]] = []
        self._changes: list[EntityChange] = []

    # what is read

    def record(self, key: RecordKey) -> ShareRecord | None:
        """The record under this key."""
        return self._records.get(key)

    def link(self, link_id: UUID) -> ShareLink | None:
        """The link with this id."""
        return self._links.get(link_id)

    def adjustment(self, request_key: str) -> Adjustment | None:
        """The adjustment under this job id."""
        return self._adjustments.get(request_key)

    def post(self, key: RecordKey) -> Post | None:
        """The newest post of the record under this key, if the lock set named it."""
        return next(reversed(self.posts(key)), None)

    def posts(self, key: RecordKey) -> Sequence[Post]:
        """All posts of that record, oldest first."""
        return list(self._posts.get(key, {}).values())

    def stored_response(self, idempotent: IdempotentCommand) -> StoredResponse | None:
        """The response stored under this key; another request under it is refused."""
        stored = self._responses.get(idempotent.key)
        if stored is not None and stored.request_hash != idempotent.request_hash:
            raise IdempotencyKeyReused("this Idempotency-Key was used for another request; take a new one")
        return stored

    # what is changed

    def put_record(self, record: ShareRecord) -> None:
        """Set the new state of a record."""
        key = record.key
        self._changes.append(EntityChange(before=self._records.get(key), after=record))
        self._set(self._records, key, record)
        target = self._writes.changed_records if key in self._stored_records else self._writes.new_records
        self._set(target, key, record)

    def put_link(self, link: ShareLink) -> None:
        """Set the new state of a link."""
        self._changes.append(EntityChange(before=self._links.get(link.id), after=link))
        self._set(self._links, link.id, link)
        target = self._writes.changed_links if link.id in self._stored_links else self._writes.new_links
        self._set(target, link.id, link)

    def add_adjustment(self, adjustment: Adjustment) -> None:
        """Add an adjustment to the ledger."""
        self._set(self._adjustments, adjustment.request_key, adjustment)
        self._set(self._writes.adjustments, adjustment.request_key, adjustment)

    def put_post(self, post: Post) -> None:
        """Set the new state of a post; a new one is the newest of its record."""
        self._set(self._posts.setdefault(post.key, {}), post.id, post)
        target = self._writes.changed_posts if post.id in self._stored_posts else self._writes.new_posts
        self._set(target, post.id, post)

    def put_response(self, key: IdempotencyKey, answer: StoredResponse) -> None:
        """Store the response that repetitions of the request will get."""
        self._set(self._responses, key, answer)
        self._set(self._writes.responses, key, answer)

    def audit(self, entry: AuditEntry) -> None:
        """Add a line to the audit."""
        self._writes.audit.append(entry)
        self._undo.append(self._writes.audit.pop)

    def event(self, event: Event) -> None:
        """Add an event that a consumer will burn."""
        self._writes.events.append(event)
        self._undo.append(self._writes.events.pop)

    def release(self, charge: Charge) -> None:
        """Take back what a post has reserved."""
        self._writes.released.append(charge)
        self._undo.append(self._writes.released.pop)

    def deliver(self, delivery: NewDelivery) -> None:
        """Add a delivery to the outside world, sent once this is committed."""
        self._deliveries.append(delivery)
        self._undo.append(self._deliveries.pop)

    def _set(self, rows: MutableMapping[K, V], key: K, value: V) -> None:
        before = rows.get(key)
        self._undo.append(lambda: rows.pop(key, None) if before is None else rows.update({key: before}))
        rows[key] = value

    def begin_command(self) -> list[EntityChange]:
        """Start the next command; returns the list to which its changes of records and links are added."""
        self._undo.clear()
        self._changes = []
        return self._changes

    def undo_command(self) -> None:
        """Take back what this command did."""
        for undo in reversed(self._undo):
            undo()

    def take_writes(self) -> Writes:
        """Return what is to be written now; from here on these rows count as stored."""
        writes, self._writes = self._writes, Writes()
        records, links, posts = set(writes.new_records), set(writes.new_links), set(writes.new_posts)
        self._stored_records |= records
        self._stored_links |= links
        self._stored_posts |= posts
        self._undo.append(lambda: self._stored_records.difference_update(records))
        self._undo.append(lambda: self._stored_links.difference_update(links))
        self._undo.append(lambda: self._stored_posts.difference_update(posts))
        return writes

    def take_deliveries(self) -> list[NewDelivery]:
        """Return the deliveries; they are written last, because their targets come last in the order of locks."""
        deliveries, self._deliveries = self._deliveries, []
        return deliveries


def merge_lock_sets(parts: list[LockSet]) -> LockSet:
    """All rows that a batch may touch."""
    return LockSet(
        keys=frozenset().union(*(part.keys for part in parts)),
        records=frozenset().union(*(part.records for part in parts)),
        links=frozenset().union(*(part.links for part in parts)),
        adjustments=frozenset().union(*(part.adjustments for part in parts)),
        posts=frozenset().union(*(part.posts for part in parts)),
    )
