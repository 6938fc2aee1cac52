"""What the outcome of a post changes: the post, its record, the audit and the count, in one transaction."""

from __future__ import annotations

from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.delivery import Dead, Outcome, Retry
from sharetally.domain.ids import new_id
from sharetally.domain.post import PauseScope, Post, Posted, PostRejected, PostStatus
from sharetally.domain.share import Action, Failure, Trigger
from sharetally.flow.posting.budgets import without_charge
from sharetally.flow.posting.failing import UNAVAILABLE, fail_post
from sharetally.flow.posting.message import KIND, PostMessage, post_delivery
from sharetally.flow.posting.outcomes import Cancelled, Deleted, Finished, LookLater, NotSent, Undecided
from sharetally.flow.share_commands import Ids, apply_trigger
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.flow.urls import url_fault
from sharetally.ports import Clock, LockSet, Transaction, Writes

ACTOR = "sharetally"


def confirm_post(
    work: UnitOfWork,
    post: Post,
    *,
    actor: str,
    external_id: str | None,
    external_url: str | None,
    request_id: str | None = None,
) -> Post:
    """The post is there: its record counts as posted, unless its user has withdrawn it on its way; then it is deleted.

    A record that was declared again after the withdrawal stays declared, because the post will not stay. An address
    that nobody may be sent to is left out: a server that its user has chosen can answer anything.
    """
    if external_url is not None and url_fault(external_url):
        external_url = None
    (ids,) = Ids.new(1)
    done = post._replace(
        status=PostStatus.SUCCESS,
        external_id=external_id,
        external_url=external_url,
        error_code=None,
        error_message=None,
        finished_at=work.now,
    )
    work.put_post(done)
    if post.cancel_requested:
        work.deliver(post_delivery(done, ids.event, post.request_id, purpose="delete"))
        return done
    apply_trigger(work, post.key, Trigger.CONFIRM, ids, actor=actor, request_id=request_id or post.request_id)
    record = work.record(post.key)
    if record is not None and record.live:
        work.put_record(record._replace(external_id=external_id, external_url=external_url))
    return done


class Settling:
    """Stores outcomes; a late one, of a post that has ended, changes nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def settle(self, tx: Transaction, message: PostMessage, outcome: Outcome, *, actor: str = ACTOR) -> None:
        """Store what became of the post; `actor` is who decided that, by default this service."""
        if message.postId is None:
            if isinstance(outcome, Finished):
                await self._fail_old(tx, message, UNAVAILABLE, ACTOR)
            return
        key = message.key
        locked = await tx.lock(LockSet(records=frozenset({key}), posts=frozenset({key})))
        work = UnitOfWork(locked, self._clock.now())
        post = next((each for each in work.posts(key) if each.id == message.postId), None)
        if post is None:
            return
        if not (post.is_to_be_deleted if isinstance(outcome, Deleted) else post.open):
            return  # it has ended meanwhile: a person has decided, or there is a newer post
        self._apply(work, post, outcome, actor)
        await tx.write(work.take_writes())
        await tx.deliveries.enqueue(work.take_deliveries())
        if isinstance(outcome, NotSent) and outcome.pause is PauseScope.ACCOUNT and outcome.at is not None:
            await tx.deliveries.block(KIND, str(post.account_id), outcome.at)

    def _apply(self, work: UnitOfWork, post: Post, outcome: Outcome, actor: str) -> None:
        now = work.now
        match outcome:
            case Finished(result=Posted() as posted):
                confirm_post(work, post, actor=ACTOR, external_id=posted.external_id, external_url=posted.external_url)
            case Finished(result=PostRejected(code=code, message=text)):
                self._fail(work, post, Failure(code=code, message=text), actor)
            case Cancelled():
                work.put_post(without_charge(work, post)._replace(status=PostStatus.CANCELLED, finished_at=now))
            case Deleted(failure=None):
                work.put_post(post._replace(status=PostStatus.CANCELLED, finished_at=now))
            case Deleted(failure=PostRejected(code=code, message=text)):
                work.put_post(post._replace(error_code=code, error_message=text, cancel_requested=False))
            case NotSent() if post.cancel_requested and not post.held:
                work.put_post(without_charge(work, post)._replace(status=PostStatus.CANCELLED, finished_at=now))
            case NotSent(reason=reason) if post.status in (PostStatus.PENDING, PostStatus.SENDING):
                waiting = without_charge(work, post)._replace(status=PostStatus.PENDING, attempted_at=None)
                work.put_post(waiting._replace(error_message=reason[:500]))
            case LookLater() | Undecided():
                self._lose(work, post)
            case Retry() if post.status is PostStatus.SENDING:  # it broke off after the attempt was stored
                self._lose(work, post)
            case Dead() if post.status is PostStatus.SENDING:
                self._lose(work, post)

    def _fail(self, work: UnitOfWork, post: Post, failure: Failure, actor: str) -> None:
        (ids,) = Ids.new(1)
        if actor == ACTOR:  # whoever discards an attempt does not know whether the post is there
            post = without_charge(work, post)
        work.put_post(
            post._replace(
                status=PostStatus.FAILED,
                error_code=failure.code,
                error_message=failure.message[:500],
                finished_at=work.now,
            )
        )
        if work.record(post.key) is not None:
            apply_trigger(work, post.key, Trigger.REJECT, ids, actor=actor, request_id=post.request_id, failure=failure)

    def _lose(self, work: UnitOfWork, post: Post) -> None:
        if post.status is PostStatus.UNKNOWN:
            return
        (ids,) = Ids.new(1)
        work.put_post(post._replace(status=PostStatus.UNKNOWN, attempted_at=post.attempted_at or work.now))
        apply_trigger(work, post.key, Trigger.LOSE, ids, actor=ACTOR, request_id=post.request_id)

    async def discard(self, tx: Transaction, message: PostMessage, failure: Failure, *, actor: str) -> None:
        """Fail the post because an operator has given it up."""
        if message.postId is None:
            await self._fail_old(tx, message, failure, actor)
        else:
            refused = PostRejected(code=failure.code, message=failure.message)
            await self.settle(tx, message, Finished(result=refused), actor=actor)
            await self.settle(tx, message, Deleted(failure=refused), actor=actor)  # if that is what was given up
        entry = AuditEntry(
            id=new_id(),
            at=self._clock.now(),
            subject_id=message.recordId,
            content=ContentRef(type=message.contentType, id=message.contentId),
            user_id=message.userId,
            actor=actor,
            action=Action.DISCARDED.value,
            platform=message.platform,
            error_message=failure.message,
            request_id=message.requestId,
        )
        await tx.write(Writes(audit=[entry]))

    async def _fail_old(self, tx: Transaction, message: PostMessage, failure: Failure, actor: str) -> None:
        """A delivery of the version before, which had no posts."""
        await fail_post(
            tx,
            message.key,
            failure,
            clock=self._clock,
            actor=actor,
            request_id=message.requestId,
            attempt=message.attempt,
        )
