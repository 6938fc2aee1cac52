"""Withdrawing and retrying as commands: what a user does with a share or a post that is there."""

from __future__ import annotations

from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import Conflict, NotFound
from sharetally.domain.ids import new_id
from sharetally.domain.post import Post, PostStatus
from sharetally.domain.share import Reply, ShareRecord, Transitioned, Trigger
from sharetally.flow.posting.message import post_delivery
from sharetally.flow.posting.new_posts import again
from sharetally.flow.share_commands import Ids, apply_trigger, record_key
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.ports import LockSet


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
        self._key = record_key(content, platform, caller.user_id)
        (self._ids,) = Ids.new(1)

    def lock_set(self) -> LockSet:
        """That record, and its posts."""
        return LockSet(records=frozenset({self._key}), posts=frozenset({self._key}))

    def apply(self, work: UnitOfWork) -> ShareRecord:
        """The withdrawn record; `NotFound` where none is live. A post that is not finished is cancelled."""
        for post in work.posts(self._key):
            self._end_post(work, post)
        transitioned = apply_trigger(
            work,
            self._key,
            Trigger.WITHDRAW,
            self._ids,
            actor=self._caller.actor,
            request_id=self._request_id,
        )
        return _require_transition(transitioned, f"no live share on {self._key.platform}")

    def _end_post(self, work: UnitOfWork, post: Post) -> None:
        """Cancel what was not sent; what may be there is deleted once that is certain."""
        if post.status is PostStatus.PENDING and not post.held:
            work.put_post(post._replace(status=PostStatus.CANCELLED, finished_at=work.now))
        elif post.open:
            work.put_post(post._replace(cancel_requested=True))
        elif post.status is PostStatus.SUCCESS and self._delete_post and not post.cancel_requested:
            work.put_post(post._replace(cancel_requested=True))
            # its key makes this delivery unique, whatever its id is
            work.deliver(post_delivery(post, new_id(), self._request_id, purpose="delete"))


class Retry:
    """One user asks for a failed or unknown post to be tried again."""

    def __init__(self, *, content: ContentRef, caller: Caller, platform: str, request_id: str = "") -> None:
        self._caller = caller
        self._request_id = request_id
        self._key = record_key(content, platform, caller.user_id)
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
