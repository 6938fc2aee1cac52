"""Sharing, withdrawing and retrying as commands: the transition table, applied under the record's lock.

What the table finds under the lock decides: of any number of identical requests exactly one finds no record. Each
change writes the record, a line of the audit and the event that counting will burn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from sharetally.domain.audit import AuditEntry
from sharetally.domain.caller import Caller
from sharetally.domain.content import NO_LABEL, ContentRef
from sharetally.domain.errors import Conflict, NotFound
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_ids, to_base62
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import (
    Evidence,
    Failure,
    RecordKey,
    Reply,
    ShareRecord,
    Transitioned,
    Trigger,
    transition,
)
from sharetally.flow.posting.message import NO_ACCOUNT, post_delivery
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


@dataclass(frozen=True, kw_only=True, slots=True)
class PostRequest:
    """What is to be posted from which account; `text` contains `url`, the post's own short address."""

    id: UUID
    account_id: UUID
    text: str
    url: str
    scheduled_at: datetime | None = None
    warnings: Sequence[str] = ()


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
        keys = [_key(content, platform, caller.user_id) for platform in platforms]
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


class Withdraw:
    """One user takes back one share."""

    def __init__(
        self,
        *,
        content: ContentRef,
        caller: Caller,
        platform: str,
        request_id: str = "",
        delete_post: bool = False,
    ) -> None:
        self._caller = caller
        self._request_id = request_id
        self._delete_post = delete_post
        self._key = _key(content, platform, caller.user_id)
        (self._ids,) = Ids.new(1)

    def lock_set(self) -> LockSet:
        """That record, and its newest post."""
        return LockSet(records=frozenset({self._key}), posts=frozenset({self._key}))

    def apply(self, work: UnitOfWork) -> ShareRecord:
        """The withdrawn record; `NotFound` where none is live. A post that is not finished is cancelled."""
        self._end_post(work)
        transitioned = apply_trigger(
            work,
            self._key,
            Trigger.WITHDRAW,
            self._ids,
            actor=self._caller.actor,
            request_id=self._request_id,
        )
        return _require_transition(transitioned, f"no live share on {self._key.platform}")

    def _end_post(self, work: UnitOfWork) -> None:
        """Cancel what was not sent; what may be there is deleted once that is certain."""
        post = work.post(self._key)
        if post is None:
            return
        if post.status is PostStatus.PENDING and post.attempted_at is None:
            work.put_post(post._replace(status=PostStatus.CANCELLED, finished_at=work.now))
        elif post.open:
            work.put_post(post._replace(cancel_requested=True))
        elif post.status is PostStatus.SUCCESS and self._delete_post and not post.cancel_requested:
            work.put_post(post._replace(cancel_requested=True))
            work.deliver(post_delivery(post, self._ids.event, self._request_id, purpose="delete"))


class Retry:
    """One user asks for a failed or unknown post to be tried again."""

    def __init__(self, *, content: ContentRef, caller: Caller, platform: str, request_id: str = "") -> None:
        self._caller = caller
        self._request_id = request_id
        self._key = _key(content, platform, caller.user_id)
        (self._ids,) = Ids.new(1)

    def lock_set(self) -> LockSet:
        """That record, and its newest post."""
        return LockSet(records=frozenset({self._key}), posts=frozenset({self._key}))

    def apply(self, work: UnitOfWork) -> ShareRecord:
        """The record, pending or still unknown; `NotFound` without one, `Conflict` unless it failed or is unknown.

        A failed post is made again with an address of its own. An unknown one is looked up, and never sent blindly.
        """
        transitioned = apply_trigger(
            work,
            self._key,
            Trigger.RETRY,
            self._ids,
            actor=self._caller.actor,
            request_id=self._request_id,
            post=again(work.post(self._key), self._ids.event),
        )
        return _require_transition(transitioned, f"nothing was ever shared on {self._key.platform}")


def _require_transition(transitioned: Transitioned, missing: str) -> ShareRecord:
    if transitioned.transition.reply is Reply.NOT_FOUND or transitioned.after is None:
        raise NotFound(missing)
    if transitioned.transition.reply is Reply.CONFLICT:
        raise Conflict(f"only a failed or unknown share can be retried; this one is {transitioned.after.status}")
    return transitioned.after


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
            _request_post(work, transitioned.after, ids, request_id, post)
    return transitioned


def _request_post(
    work: UnitOfWork, record: ShareRecord, ids: Ids, request_id: str, request: PostRequest | None
) -> None:
    newest = work.post(record.key)
    if newest is not None and newest.status is PostStatus.UNKNOWN:
        work.deliver(post_delivery(newest, ids.event, request_id, purpose=f"look {ids.event}"))
        return
    wanted = request or PostRequest(id=ids.event, account_id=NO_ACCOUNT, text="", url="")
    post = Post(
        id=wanted.id,
        record_id=record.id,
        key=record.key,
        account_id=wanted.account_id,
        number=newest.number + 1 if newest else 1,
        status=PostStatus.PENDING,
        text=wanted.text,
        url=wanted.url,
        created_at=work.now,
        request_id=request_id,
        scheduled_at=wanted.scheduled_at,
    )
    work.put_post(post)
    work.deliver(post_delivery(post, ids.event, request_id))


def again(post: Post | None, new_id: UUID) -> PostRequest | None:
    """The same post with an address of its own, so that a look cannot find the one before; None without a post."""
    if post is None:
        return None
    url = f"{post.url.rpartition('/')[0]}/{to_base62(new_id)}" if post.url else ""
    return PostRequest(id=new_id, account_id=post.account_id, text=post.text.replace(post.url, url), url=url)


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


def _key(content: ContentRef, platform: str, user_id: str) -> RecordKey:
    return RecordKey(content_type=content.type, content_id=content.id, platform=platform, user_id=user_id)
