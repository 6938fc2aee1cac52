"""Sharing as a command: the transition table, applied under the record's lock.

What the table finds under the lock decides: of any number of identical requests exactly one finds no record. Each
change writes the record, a line of the audit and the event that counting will burn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.content import NO_LABEL, ContentRef
from sharetally.domain.errors import Conflict
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_ids
from sharetally.domain.post import Post
from sharetally.domain.share import (
    Evidence,
    Failure,
    RecordKey,
    ShareRecord,
    Transitioned,
    Trigger,
    transition,
)
from sharetally.flow.posting.new_posts import PostRequest, request_post
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import LockSet


class Ids(NamedTuple):
    """Ids made before the first try, so that a second try writes the same rows."""

    record: UUID
    audit: UUID
    event: UUID

    @classmethod
    def new(cls, count: int) -> list[Ids]:
        """Three new ids, that many times."""
        ids = iter(new_ids(3 * count))
        return list(map(cls, ids, ids, ids))


class ShareResult(NamedTuple):
    """One platform's outcome: the record as it stands, and whether it was live before."""

    record: ShareRecord
    already_shared: bool
    post: Post | None = None
    warnings: Sequence[str] = ()


class Share:
    """One user shares one content on some platforms; `force` shares again what is live."""

    def __init__(
        self,
        *,
        content: ContentRef,
        caller: Caller,
        platforms: Sequence[str],
        trigger: Trigger,
        request_id: str = "",
        posts: Mapping[str, PostRequest] = MappingProxyType({}),
    ) -> None:
        self._caller = caller
        self._trigger = trigger
        self._posts = posts
        self._request_id = request_id
        self.results: list[ShareResult] = []
        keys = [record_key(content, platform, caller.user_id) for platform in platforms]
        self._records = list(zip(keys, Ids.new(len(keys)), strict=True))

    def lock_set(self) -> LockSet:
        """A record per platform."""
        return LockSet(
            records=frozenset(key for key, _ in self._records),
            posts=frozenset(key for key, _ in self._records if key.platform in self._posts),
        )

    def apply(self, work: UnitOfWork) -> list[ShareResult]:
        """Each platform in the order asked; `results` keeps what the last try said."""
        self.results = [self._apply_one(work, key, ids) for key, ids in self._records]
        return self.results

    def _apply_one(self, work: UnitOfWork, key: RecordKey, ids: Ids) -> ShareResult:
        request = self._posts.get(key.platform)
        newest = work.post(key)
        if request is not None and newest is not None and newest.open:
            if newest.cancel_requested:
                raise Conflict(f"the post on {key.platform} that was withdrawn is not finished yet; try again later")
            if newest.account_id != request.account_id:
                raise Conflict(f"another account's post on {key.platform} is not finished; withdraw it first")
            record = work.record(key)
            assert record is not None  # a post has a record
            return ShareResult(record=record, already_shared=record.live, post=newest)
        trigger = self._trigger if request is None else Trigger.POST
        if request is not None and self._trigger is not Trigger.FORCE and _is_posted(work.record(key)):
            trigger = Trigger.DECLARE  # it has been posted: nothing changes
        transitioned = apply_trigger(
            work, key, trigger, ids, actor=self._caller.actor, request_id=self._request_id, post=request
        )
        assert transitioned.after is not None  # no cell of these requests answers NOT_FOUND
        before = transitioned.before
        return ShareResult(
            record=transitioned.after,
            already_shared=before is not None and before.live,
            post=work.post(key),
            warnings=request.warnings if request else (),
        )


def apply_trigger(
    work: UnitOfWork,
    key: RecordKey,
    trigger: Trigger,
    ids: Ids,
    *,
    actor: str,
    request_id: str,
    failure: Failure | None = None,
    post: PostRequest | None = None,
) -> Transitioned:
    """Advance one record by the table, and write what the table says follows; `post` is what it may post."""
    before = work.record(key)
    transitioned = transition(before, trigger, key=key, new_id=ids.record, now=work.now, failure=failure)
    if transitioned.transition.action is not None and transitioned.after is not None:
        work.put_record(transitioned.after)
        work.audit(_audit_entry(work, transitioned, transitioned.after, ids, actor, request_id))
        if transitioned.transition.job is not None:
            work.event(_event(work, transitioned, transitioned.after, transitioned.transition.job, ids, request_id))
        if transitioned.transition.posts:
            request_post(work, transitioned.after, ids.event, request_id, post)
    return transitioned


def _is_posted(record: ShareRecord | None) -> bool:
    return record is not None and record.live and record.evidence is Evidence.POSTED


def _audit_entry(
    work: UnitOfWork, transitioned: Transitioned, record: ShareRecord, ids: Ids, actor: str, request_id: str
) -> AuditEntry:
    return AuditEntry(
        id=ids.audit,
        at=work.now,
        subject_id=record.id,
        content=record.content,
        user_id=record.user_id,
        actor=actor,
        action=str(transitioned.transition.action),
        platform=record.platform,
        status=record.status.value,
        error_code=record.error_code,
        error_message=record.error_message,
        request_id=request_id,
    )


def _event(
    work: UnitOfWork, transitioned: Transitioned, record: ShareRecord, job: Job, ids: Ids, request_id: str
) -> Event:
    delta, cell_delta, origin = _effect(transitioned, job)
    # a move belongs to the time when the share was made
    moved_at = transitioned.before.last_shared_at if transitioned.before and origin is not None else None
    return Event(
        id=ids.event,
        job=job,
        content=record.content,
        at=moved_at or work.now,
        delta=delta,
        cell_delta=cell_delta,
        to=record_cell(record),
        origin=origin,
        platform=record.platform,
        share_id=record.id,
        user_id=record.user_id,
        request_id=request_id,
    )


def _effect(transitioned: Transitioned, job: Job) -> tuple[int, int, Cell | None]:
    """Delta of the total, shares moved into the record's cell, and the cell they leave, if any."""
    if job is Job.SHARE_CREATED:
        return 1, 1, None
    if job is Job.SHARE_DELETED:
        return -1, -1, None
    if (
        job is Job.SHARE_UPDATED
        and transitioned.before
        and transitioned.after
        and transitioned.before.evidence is not transitioned.after.evidence
    ):
        return 0, 1, record_cell(transitioned.before)
    return 0, 0, None


def record_cell(record: ShareRecord) -> Cell:
    """A record's platform is its channel; it has no campaign."""
    return Cell(evidence=record.evidence.value, channel=record.platform, campaign=NO_LABEL)


def record_key(content: ContentRef, platform: str, user_id: str) -> RecordKey:
    return RecordKey(content_type=content.type, content_id=content.id, platform=platform, user_id=user_id)
