"""What users and operators do with posts: list them, and decide about those that nobody could look up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Conflict, InvalidRequest, NotFound
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Failure, RecordKey, Trigger
from sharetally.flow.committer import Committer
from sharetally.flow.posting.budgets import without_charge
from sharetally.flow.posting.settling import confirm_post
from sharetally.flow.share_commands import Ids, apply_trigger
from sharetally.flow.unit_of_work import IdempotentCommand, UnitOfWork
from sharetally.flow.urls import url_fault
from sharetally.ports import LockSet, ShareStore, StoredResponse
from sharetally.ports.posts import PostFilter, PostStore

DECIDED_NOT_POSTED = Failure(code="not-posted", message="a person said that the post is not there")


class Decide:
    """Settle an unknown post: it is there, at `url` if that is known, or it is not."""

    def __init__(self, *, key: RecordKey, caller: Caller, posted: bool, url: str | None, request_id: str) -> None:
        self._key = key
        self._caller = caller
        self._posted = posted
        self._url = url
        self._request_id = request_id
        (self._ids,) = Ids.new(1)

    def lock_set(self) -> LockSet:
        """The record, and its newest post."""
        return LockSet(records=frozenset({self._key}), posts=frozenset({self._key}))

    def apply(self, work: UnitOfWork) -> Post:
        """The post as decided; `Conflict` unless it is unknown."""
        post = work.post(self._key)
        if post is None or post.status is not PostStatus.UNKNOWN:
            raise Conflict("only a post whose outcome is unknown can be decided about")
        actor, request_id = self._caller.actor, self._request_id
        if self._posted:
            return confirm_post(
                work, post, actor=actor, external_id=None, external_url=self._url, request_id=request_id
            )
        failure = DECIDED_NOT_POSTED
        post = without_charge(work, post)
        decided = post._replace(
            status=PostStatus.FAILED,
            error_code=failure.code,
            error_message=failure.message,
            finished_at=work.now,
        )
        work.put_post(decided)
        apply_trigger(work, self._key, Trigger.REJECT, self._ids, actor=actor, request_id=request_id, failure=failure)
        return decided


@dataclass(frozen=True, kw_only=True, slots=True)
class Posts:
    """The use cases; a caller with the scope `admin` sees and decides about everybody's posts."""

    store: PostStore
    shares: ShareStore
    committer: Committer

    async def page(
        self, caller: Caller, status: PostStatus | None, *, limit: int, after: UUID | None
    ) -> Sequence[Post]:
        """Posts, newest first."""
        user_id = None if caller.may("admin") else caller.user_id
        return await self.store.page(PostFilter(user_id=user_id, status=status), limit=limit, after=after)

    async def decide(
        self,
        record_id: UUID,
        caller: Caller,
        *,
        posted: bool,
        url: str | None,
        request_id: str,
        idempotent: IdempotentCommand | None = None,
    ) -> Post | StoredResponse:
        """Settle an unknown post; `NotFound` if it is somebody else's."""
        record = await self.shares.by_id(record_id)
        if record is None or (record.user_id != caller.user_id and not caller.may("admin")):
            raise NotFound("no such record")
        if url is not None:
            if not posted:
                raise InvalidRequest(("url", "must not be sent if the post is not there"))
            if fault := url_fault(url):
                raise InvalidRequest(("url", fault))
        command = Decide(key=record.key, caller=caller, posted=posted, url=url, request_id=request_id)
        if idempotent is None:
            return await self.committer.submit(command)
        return await self.committer.submit_idempotent(command, idempotent)
