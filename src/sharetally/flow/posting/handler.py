"""The handler of posts: makes a pending post, and finds out about one that may be there.

    pending -> prepare -> store the attempt -> publish -> store the outcome
    sending, unknown -> look -> store the outcome, or publish again where the platform drops repetitions

The attempt is committed before the first byte leaves, so whoever finds a post in `sending` knows that it may be there.
No HTTP happens inside a transaction. The rules are those of docs/explanation/posting.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from sharetally.domain.account import Account, Tokens
from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import RETRIES, Delivery, Done, Outcome, Retry
from sharetally.domain.errors import PlatformUnreachable
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    NotThere,
    OutcomeUnknown,
    PauseScope,
    Post,
    Posted,
    PostRejected,
    PostStatus,
    TryLater,
)
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.errors import AccountMissing, ReconnectNeeded
from sharetally.flow.delivery.attempt import reason_of
from sharetally.flow.delivery.handler import Lease
from sharetally.flow.posting.failing import UNAVAILABLE, discarded
from sharetally.flow.posting.message import KIND, decode_post
from sharetally.flow.posting.outcomes import (
    DEFAULT_PAUSE,
    Cancelled,
    Deleted,
    Finished,
    LookLater,
    NotSent,
    Undecided,
    look_later,
)
from sharetally.flow.posting.settling import Settling
from sharetally.flow.retry import retry_transaction
from sharetally.ports import Clock, DeliveryStore, Ledger, LockSet, Transaction, Writes
from sharetally.ports.posting_platform import Publisher
from sharetally.ports.posts import PostStore

T = TypeVar("T")
NEEDS_REAUTH = PostRejected(
    code="needs-reauth", message="the platform has ended the permission to post: connect the account again, then retry"
)
ACCOUNT_MISSING = PostRejected(
    code="account-missing", message="the account is not connected any more: connect it, then share again"
)
NOT_FOUND = PostRejected(
    code="not-found", message="the platform does not show the post; retry it, or say that it is there"
)
NOT_DELETED = PostRejected(
    code="not-deleted", message="only a person has seen the post: delete it on the platform itself"
)
POSTING_UNAVAILABLE = PostRejected(code=UNAVAILABLE.code, message=UNAVAILABLE.message)


class PostHandler:
    """Posts for one process. `look_for` is how long an unknown post is looked for before a person has to decide."""

    kind: str = KIND
    retries: Backoff = RETRIES
    seconds: float = 120.0

    def __init__(
        self,
        *,
        ledger: Ledger,
        posts: PostStore,
        deliveries: DeliveryStore,
        clock: Clock,
        access: AccountAccess | None = None,
        publishers: Mapping[str, Publisher] | None = None,
        look_for: timedelta = timedelta(hours=24),
    ) -> None:
        self._ledger = ledger
        self._posts = posts
        self._deliveries = deliveries
        self._clock = clock
        self._access = access
        self._publishers = publishers or {}
        self._look_for = look_for
        self._settling = Settling(clock)

    async def deliver(self, delivery: Delivery, lease: Lease) -> Outcome:
        """Move the post on by one step."""
        message = decode_post(delivery.payload)
        post = await self._posts.by_id(message.postId) if message.postId else None
        if post is None:  # a delivery of the version before, which could not post
            return Finished(result=POSTING_UNAVAILABLE)
        if not post.open and not post.is_to_be_deleted:
            return Done()
        publisher = self._publishers.get(post.key.platform)
        if publisher is None or self._access is None:
            return self._without_access(post, delivery, POSTING_UNAVAILABLE)
        try:
            if post.is_to_be_deleted:
                return await self._delete(publisher, post)
            if post.attempted_at is not None:
                return await self._look(publisher, post, delivery, lease)
            return await self._post(publisher, post, delivery, lease)
        except AccountMissing:
            return self._without_access(post, delivery, ACCOUNT_MISSING)
        except ReconnectNeeded:
            return self._without_access(post, delivery, NEEDS_REAUTH)
        except PlatformUnreachable as error:  # there are no tokens at the moment, so nothing was sent
            if post.is_to_be_deleted:
                return Retry(reason=error.detail)
            if post.attempted_at is not None:
                return self._later(error.detail, post, delivery)
            return await self._wait(TryLater(reason=error.detail), post, delivery)

    def _without_access(self, post: Post, delivery: Delivery, reason: PostRejected) -> Outcome:
        """What was not sent has failed; what may be there stays unknown until somebody can look or decides."""
        if post.status is PostStatus.SUCCESS:
            return Deleted(failure=reason)
        return Finished(result=reason) if post.attempted_at is None else self._later(reason.message, post, delivery)

    async def _post(self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease) -> Outcome:
        prepared = await self._with_tokens(
            post, lambda account, tokens: publisher.prepare(account, tokens, post.draft())
        )
        if isinstance(prepared, TryLater):
            return await self._wait(prepared, post, delivery)
        if isinstance(prepared, PostRejected):
            return Finished(result=prepared)
        if isinstance(prepared, AccessDenied):
            return Finished(result=NEEDS_REAUTH)
        attempted = await retry_transaction(lambda: self._store_attempt(post, prepared, delivery, lease))
        if attempted is None:
            return Done()  # cancelled, or somebody else's by now
        return await self._publish(publisher, attempted, delivery, lease, repeated=False)

    async def _repeat(self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease) -> Outcome:
        """Send again what is not there; not if its user or an operator has ended it during the look."""
        attempted = await retry_transaction(lambda: self._store_attempt(post, post.prepared or {}, delivery, lease))
        if attempted is None:
            return self._later("the post was changed while the platform was searched for it", post, delivery)
        return await self._publish(publisher, attempted, delivery, lease, repeated=True)

    async def _store_attempt(
        self, post: Post, prepared: Mapping[str, str], delivery: Delivery, lease: Lease
    ) -> Post | None:
        """Note in the post's row that a byte may leave from now on; None if it must not."""
        async with self._ledger.transaction() as tx:
            locked = await tx.lock(LockSet(records=frozenset({post.key}), posts=frozenset({post.key})))
            stored = next((each for each in locked.posts.get(post.key, ()) if each.id == post.id), None)
            if stored is None or stored.status is not post.status or stored.cancel_requested:
                return None
            if not await tx.deliveries.holds(delivery, lease.worker):
                return None
            attempted = stored._replace(
                status=PostStatus.SENDING,
                prepared=dict(prepared),
                attempted_at=stored.attempted_at or self._clock.now(),
            )
            await tx.write(Writes(changed_posts={post.id: attempted}))
        return attempted

    async def _publish(
        self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease, *, repeated: bool
    ) -> Outcome:
        draft = post.draft()
        if not repeated:
            draft = draft.first()

        async def publish(account: Account, tokens: Tokens) -> object:
            if lease.stale:  # right before the first byte: others may be looking for this post by now
                return OutcomeUnknown(reason="the worker was paused before it could send")
            try:
                return await publisher.publish(account, tokens, draft)
            except Exception as error:  # code of a platform may raise anything, and may have sent something
                return OutcomeUnknown(reason=reason_of(error))

        result: object
        try:
            result = await self._with_tokens(post, publish)
        except PlatformUnreachable as error:  # there are no tokens at the moment, so nothing was sent
            result = TryLater(reason=error.detail)
        match result:
            case Posted() | PostRejected():
                return Finished(result=result)
            case TryLater() as later if not repeated:
                return await self._wait(later, post, delivery)
            case AccessDenied() if not repeated:
                return Finished(result=NEEDS_REAUTH)
            case OutcomeUnknown(reason=reason) | TryLater(reason=reason) | AccessDenied(reason=reason):
                return self._later(reason, post, delivery)
        raise AssertionError("the outcomes of a publisher are a closed set")

    async def _look(self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease) -> Outcome:
        match await self._with_tokens(post, lambda account, tokens: publisher.look(account, tokens, post.draft())):
            case Posted() as result:
                return Finished(result=result)
            case NotThere() if post.cancel_requested:
                return Cancelled()
            case NotThere():
                if self._may_repeat(publisher, post):
                    return await self._repeat(publisher, post, delivery, lease)
                return Finished(result=NOT_FOUND)
            case TryLater(reason=reason, at=at) if at is not None:
                return LookLater(reason=reason, at=at)
            case CannotTell(reason=reason) | TryLater(reason=reason) | AccessDenied(reason=reason):
                return self._later(reason, post, delivery)
        raise AssertionError("the outcomes of a look are a closed set")

    def _may_repeat(self, publisher: Publisher, post: Post) -> bool:
        """Only where the platform itself drops a repetition, and only while it does."""
        window = publisher.deduplicates_for
        assert post.attempted_at is not None
        age = self._clock.now() - post.attempted_at
        return publisher.deduplicates and age < (self._look_for if window is None else min(window, self._look_for))

    def _later(self, reason: str, post: Post, delivery: Delivery) -> Outcome:
        assert post.attempted_at is not None
        now = self._clock.now()
        if now - post.attempted_at >= self._look_for:
            return Undecided()
        return look_later(reason, now=now, attempts=delivery.attempts)

    async def _wait(self, later: TryLater, post: Post, delivery: Delivery) -> Outcome:
        """Nothing was published. A pause delays and never fails; anything else is tried until the attempts run out."""
        now = self._clock.now()
        if later.pause is not None:
            until = later.at or now + DEFAULT_PAUSE
            if later.pause is not PauseScope.ACCOUNT:
                await retry_transaction(lambda: self._deliveries.close_gate(post.key.platform, later.reason, until))
            return NotSent(reason=later.reason, at=until, pause=later.pause)
        delay = self.retries.delay(delivery.attempts)
        if later.at is None and delay is None:
            return Finished(result=PostRejected(code="gave-up", message=later.reason))
        return NotSent(reason=later.reason, at=later.at or now + timedelta(seconds=delay or 0.0))

    async def _delete(self, publisher: Publisher, post: Post) -> Outcome:
        external_id = post.external_id
        if external_id is None:
            return Deleted(failure=NOT_DELETED)
        result = await self._with_tokens(post, lambda account, tokens: publisher.delete(account, tokens, external_id))
        if isinstance(result, TryLater):
            return Retry(reason=result.reason, at=result.at)
        if isinstance(result, AccessDenied):
            return Deleted(failure=NEEDS_REAUTH)
        return Deleted(failure=result)

    async def _with_tokens(self, post: Post, step: Callable[[Account, Tokens], Awaitable[T]]) -> T:
        """Run a step; if the platform refuses the tokens, read or refresh them and run it once more."""
        assert self._access is not None
        account, tokens = await self._access.access(post.account_id)
        result = await step(account, tokens)
        if isinstance(result, AccessDenied):
            account, tokens = await self._access.access(post.account_id, rejected=tokens)
            result = await step(account, tokens)
        return result

    async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        """Store what became of the post with its record, unless another post of the record is newer."""
        await self._settling.settle(tx, decode_post(delivery.payload), outcome)

    async def discard(self, tx: Transaction, delivery: Delivery, *, actor: str, reason: str) -> None:
        """Fail the post and its record with the operator's reason, and write to the audit who discarded it."""
        await self._settling.discard(tx, decode_post(delivery.payload), discarded(reason), actor=actor)
