"""Sharing, withdrawing and retrying as wishes: the transition table, applied under the lock.

What stood under the lock decides: of any number of identical requests exactly one finds nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.content import NO_LABEL, ContentRef
from sharetally.domain.errors import Conflict, NotFound
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_ids
from sharetally.domain.share import (
    Advance,
    Failure,
    RecordKey,
    Reply,
    Request,
    ShareRecord,
    advance,
)
from sharetally.flow.batch import Batch
from sharetally.flow.posting.message import post_delivery
from sharetally.ports import References


class Ids(NamedTuple):
    """Ids made before the first try, so that a second try writes the same rows."""

    record: UUID
    audit: UUID
    event: UUID

    @classmethod
    def new(cls, count: int) -> list[Ids]:
        """Three new ids, that many times."""
        made = iter(new_ids(3 * count))
        return list(map(cls, made, made, made))


class ShareResult(NamedTuple):
    """One platform's outcome: the record as it stands, and whether it was live before."""

    record: ShareRecord
    already_shared: bool


class Share:
    """One user shares one content on some platforms; `force` shares again what is live."""

    def __init__(
        self,
        *,
        content: ContentRef,
        caller: Caller,
        platforms: Sequence[str],
        request: Request,
        request_id: str = "",
    ) -> None:
        self._caller = caller
        self._request = request
        self._request_id = request_id
        self.results: list[ShareResult] = []
        keys = [_key(content, platform, caller.user_id) for platform in platforms]
        self._steps = list(zip(keys, Ids.new(len(keys)), strict=True))

    def references(self) -> References:
        """A record per platform."""
        return References(records=frozenset(key for key, _ in self._steps))

    def apply(self, batch: Batch) -> list[ShareResult]:
        """Each platform in the order asked; `results` keeps what the last try said."""
        self.results = [self._one(batch, key, ids) for key, ids in self._steps]
        return self.results

    def _one(self, batch: Batch, key: RecordKey, ids: Ids) -> ShareResult:
        done = take_step(batch, key, self._request, ids, actor=self._caller.actor, request_id=self._request_id)
        assert done.after is not None  # no cell of these requests answers NOT_FOUND
        return ShareResult(record=done.after, already_shared=done.before is not None and done.before.live)


class Withdraw:
    """One user takes back one share."""

    def __init__(self, *, content: ContentRef, caller: Caller, platform: str, request_id: str = "") -> None:
        self._caller = caller
        self._request_id = request_id
        self._key = _key(content, platform, caller.user_id)
        (self._ids,) = Ids.new(1)

    def references(self) -> References:
        """That record."""
        return References(records=frozenset({self._key}))

    def apply(self, batch: Batch) -> ShareRecord:
        """The withdrawn record; `NotFound` where none is live."""
        done = take_step(
            batch,
            self._key,
            Request.WITHDRAW,
            self._ids,
            actor=self._caller.actor,
            request_id=self._request_id,
        )
        return _done(done, f"no live share on {self._key.platform}")


class Retry:
    """One user asks for a failed or unknown post to be tried again."""

    def __init__(self, *, content: ContentRef, caller: Caller, platform: str, request_id: str = "") -> None:
        self._caller = caller
        self._request_id = request_id
        self._key = _key(content, platform, caller.user_id)
        (self._ids,) = Ids.new(1)

    def references(self) -> References:
        """That record."""
        return References(records=frozenset({self._key}))

    def apply(self, batch: Batch) -> ShareRecord:
        """The pending record; `NotFound` without one, `Conflict` unless it failed or is unknown."""
        done = take_step(
            batch, self._key, Request.RETRY, self._ids, actor=self._caller.actor, request_id=self._request_id
        )
        return _done(done, f"nothing was ever shared on {self._key.platform}")


def _done(done: Advance, missing: str) -> ShareRecord:
    if done.step.reply is Reply.NOT_FOUND or done.after is None:
        raise NotFound(missing)
    if done.step.reply is Reply.CONFLICT:
        raise Conflict(f"only a failed or unknown share can be retried; this one is {done.after.status}")
    return done.after


def take_step(
    batch: Batch,
    key: RecordKey,
    request: Request,
    ids: Ids,
    *,
    actor: str,
    request_id: str,
    failure: Failure | None = None,
) -> Advance:
    """Advance one record by the table, and write what the table says follows."""
    before = batch.record(key)
    done = advance(before, request, key=key, new_id=ids.record, now=batch.now, failure=failure)
    if done.step.action is not None and done.after is not None:
        batch.put_record(done.after)
        batch.audit(_audited(batch, done, done.after, ids, actor, request_id))
        if done.step.job is not None:
            batch.event(_event(batch, done, done.after, done.step.job, ids, request_id))
        if done.step.posts:
            batch.deliver(post_delivery(done.after, ids.event, request_id))
    return done


def _audited(batch: Batch, done: Advance, record: ShareRecord, ids: Ids, actor: str, request_id: str) -> AuditEntry:
    return AuditEntry(
        id=ids.audit,
        at=batch.now,
        subject_id=record.id,
        content=record.content,
        user_id=record.user_id,
        actor=actor,
        action=str(done.step.action),
        platform=record.platform,
        status=record.status.value,
        error_code=record.error_code,
        error_message=record.error_message,
        request_id=request_id,
    )


def _event(batch: Batch, done: Advance, record: ShareRecord, job: Job, ids: Ids, request_id: str) -> Event:
    delta, moved, origin = _effect(done, job)
    return Event(
        id=ids.event,
        job=job,
        content=record.content,
        at=_when(batch, done) if origin is not None else batch.now,
        delta=delta,
        moved=moved,
        to=record_cell(record),
        origin=origin,
        platform=record.platform,
        share_id=record.id,
        user_id=record.user_id,
        request_id=request_id,
    )


def _when(batch: Batch, done: Advance) -> datetime:
    """A move belongs to the time when the share was made."""
    return (done.before and done.before.last_shared_at) or batch.now


def _effect(done: Advance, job: Job) -> tuple[int, int, Cell | None]:
    """Delta of the total, shares moved into the record's cell, and the cell they leave, if any."""
    if job is Job.SHARE_CREATED:
        return 1, 1, None
    if job is Job.SHARE_DELETED:
        return -1, -1, None
    if job is Job.SHARE_UPDATED and done.before and done.after and done.before.evidence is not done.after.evidence:
        return 0, 1, record_cell(done.before)
    return 0, 0, None


def record_cell(record: ShareRecord) -> Cell:
    """A record's platform is its channel; it has no campaign."""
    return Cell(evidence=record.evidence.value, channel=record.platform, campaign=NO_LABEL)


def _key(content: ContentRef, platform: str, user_id: str) -> RecordKey:
    return RecordKey(content_type=content.type, content_id=content.id, platform=platform, user_id=user_id)
