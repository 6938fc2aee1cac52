"""The handler of posts: makes a pending post, and finds out about one that may be there.

    pending -> prepare -> store the attempt, and reserve what it costs -> publish -> store the outcome
    pending, but due while no worker ran -> look -> store the outcome, or go on as above if the post is not there
    sending, unknown -> look -> store the outcome, or publish again where the platform drops repetitions

The attempt is committed before the first byte leaves, so whoever finds a post in `sending` knows that it may be there.
No HTTP happens inside a transaction. The rules are those of docs/explanation/posting.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

import structlog

from sharetally.domain.account import Account, Tokens
from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import RETRIES, Delivery, Done, Outcome, Retry
from sharetally.domain.errors import PlatformUnreachable
from sharetally.domain.post import (
    AccessDenied,
    CannotTell,
    LookOutcome,
    NotThere,
    OutcomeUnknown,
    PauseScope,
    Post,
    Posted,
    PostRejected,
    PostStatus,
    TryLater,
)
from sharetally.domain.spending import Budget, Charge, end_of
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.errors import AccountMissing, ReconnectNeeded
from sharetally.flow.delivery.attempt import reason_of
from sharetally.flow.delivery.handler import Lease
from sharetally.flow.posting.budgets import Budgets
from sharetally.flow.posting.failing import UNAVAILABLE, discarded
from sharetally.flow.posting.message import KIND, decode_post, is_look_once
from sharetally.flow.posting.outcomes import (
    BEHIND_GATE,
    DEFAULT_PAUSE,
    ENDED_VERSION_PAUSE,
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
from sharetally.ports.posting_platform import Publisher, version_of
from sharetally.ports.posts import PostStore

T = TypeVar("T")
log = structlog.get_logger("sharetally.posting")
NEEDS_REAUTH = PostRejected(
    code="needs-reauth", message="the platform has ended the permission to post: connect the account again, then retry"
)
ACCOUNT_MISSING = PostRejected(
    code="account-missing", message="the account is not connected any more: connect it, then share again"
)
NOT_FOUND = PostRejected(
    code="not-found", message="the platform does not show the post; retry it, or say that it is there"
)
OVERDUE = "no worker ran for 15 minutes while the post was due"
BUDGET_SPENT = "budget-spent"
NOT_DELETED = PostRejected(
    code="not-deleted", message="only a person has seen the post: delete it on the platform itself"
)
POSTING_UNAVAILABLE = PostRejected(code=UNAVAILABLE.code, message=UNAVAILABLE.message)
log = structlog.get_logger("sharetally.posting")


class PostHandler:
    """Posts for one process. `look_for` is how long an unknown post is looked for before a person has to decide.

    A post that `budgets` do not allow today waits for tomorrow, or fails if `budget_spent_fails`.
    """

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
        budgets: Mapping[str, Budget] = MappingProxyType({}),
        budget_spent_fails: bool = False,
    ) -> None:
        self._ledger = ledger
        self._posts = posts
        self._deliveries = deliveries
        self._clock = clock
        self._access = access
        self._publishers = publishers or {}
        self._look_for = look_for
        self._budgets = Budgets(ledger, clock, budgets)
        self._budget_spent_fails = budget_spent_fails
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
            return self._wait(TryLater(reason=error.detail), post, delivery)

    def _without_access(self, post: Post, delivery: Delivery, reason: PostRejected) -> Outcome:
        """What was not sent has failed; what may be there stays unknown until somebody can look or decides."""
        if post.status is PostStatus.SUCCESS:
            return Deleted(failure=reason)
        if post.attempted_at is None and not post.held:
            return Finished(result=reason)
        return self._later(reason.message, post, delivery)

    async def _post(self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease) -> Outcome:
        if post.held:
            match await self._find(publisher, post):
                case Posted() as found:
                    return Finished(result=found)
                case CannotTell(reason=reason) | AccessDenied(reason=reason):
                    return look_later(reason, now=self._clock.now(), attempts=delivery.attempts)
                case TryLater() as later:
                    return self._wait(later, post, delivery)
                case NotThere() if post.cancel_requested:
                    return Cancelled()
        prepared = await self._with_tokens(
            post, lambda account, tokens: publisher.prepare(account, tokens, post.draft())
        )
        if isinstance(prepared, TryLater):
            return self._wait(prepared, post, delivery)
        if isinstance(prepared, PostRejected):
            return Finished(result=prepared)
        if isinstance(prepared, AccessDenied):
            return Finished(result=NEEDS_REAUTH)
        charge = self._budgets.charge(post.key, publisher.costs(post.draft()).post)
        attempted = await retry_transaction(lambda: self._store_attempt(post, prepared, charge, delivery, lease))
        if not isinstance(attempted, Post):
            return attempted
        return await self._publish(publisher, attempted, delivery, lease, repeated=False)

    async def _repeat(self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease) -> Outcome:
        """Send again what is not there; not if its user or an operator has ended it during the look."""
        prepared = post.prepared or {}
        attempted = await retry_transaction(lambda: self._store_attempt(post, prepared, None, delivery, lease))
        if not isinstance(attempted, Post):
            return self._later("the post was changed while the platform was searched for it", post, delivery)
        return await self._publish(publisher, attempted, delivery, lease, repeated=True)

    async def _store_attempt(
        self, post: Post, prepared: Mapping[str, str], charge: Charge | None, delivery: Delivery, lease: Lease
    ) -> Post | Outcome:
        """Note in the post's row that a byte may leave from now on, and what it costs; the outcome if it must not."""
        async with self._ledger.transaction() as tx:
            locked = await tx.lock(LockSet(records=frozenset({post.key}), posts=frozenset({post.key})))
            stored = next((each for each in locked.posts.get(post.key, ()) if each.id == post.id), None)
            if stored is None or not stored.open:
                return Done()  # somebody has ended it
            if stored.status is PostStatus.PENDING and stored.cancel_requested:
                return Cancelled()
            if stored.status is not post.status or stored.cancel_requested:
                return Retry(reason="the post was changed during the attempt", at=self._clock.now())
            if charge is not None and (reason := await self._budgets.reserve(tx, charge)):
                if self._budget_spent_fails:
                    return Finished(result=PostRejected(code=BUDGET_SPENT, message=f"{reason}; retry it tomorrow"))
                return NotSent(reason=reason, at=end_of(charge.day), is_pause=True)
            if not await tx.deliveries.holds(delivery, lease.worker):
                await tx.write(Writes(released=[charge] if charge else []))
                return Done()
            attempted = stored._replace(
                status=PostStatus.SENDING,
                prepared=dict(prepared),
                attempted_at=stored.attempted_at or self._clock.now(),
                charge=charge or stored.charge,
                error_code=None,
                error_message=None,
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
                return self._wait(later, post, delivery)
            case AccessDenied() if not repeated:
                return Finished(result=NEEDS_REAUTH)
            case OutcomeUnknown(reason=reason) | TryLater(reason=reason) | AccessDenied(reason=reason):
                return self._later(reason, post, delivery)
        raise AssertionError("the outcomes of a publisher are a closed set")

    async def _look(self, publisher: Publisher, post: Post, delivery: Delivery, lease: Lease) -> Outcome:
        match await self._find(publisher, post):
            case Posted() as result:
                return Finished(result=result)
            case NotThere() if post.cancel_requested:
                return Cancelled()
            case NotThere():
                if self._may_repeat(publisher, post):
                    return await self._repeat(publisher, post, delivery, lease)
                return Finished(result=NOT_FOUND)
            case TryLater(reason=reason, at=at) if at is not None and not is_look_once(delivery):
                return LookLater(reason=reason, at=at)
            case CannotTell(reason=reason) | TryLater(reason=reason) | AccessDenied(reason=reason):
                return self._later(reason, post, delivery)
        raise AssertionError("the outcomes of a look are a closed set")

    async def _find(self, publisher: Publisher, post: Post) -> LookOutcome:
        draft = post.draft()

        def look(account: Account, tokens: Tokens) -> Awaitable[LookOutcome]:
            return self._budgets.call(
                post.key, publisher.costs(draft).look, lambda: publisher.look(account, tokens, draft)
            )

        return await self._with_tokens(post, look)

    def _may_repeat(self, publisher: Publisher, post: Post) -> bool:
        """Only where the platform itself drops a repetition, and only while it does.

        What was never prepared here was sent before a restore, if at all, and may have been deleted by its user since.
        """
        window = publisher.deduplicates_for
        assert post.attempted_at is not None
        if post.prepared is None:
            return False
        age = self._clock.now() - post.attempted_at
        lasts = self._look_for if window is None else min(window, self._look_for)
        return publisher.deduplicates and age < lasts

    def _later(self, reason: str, post: Post, delivery: Delivery) -> Outcome:
        now = self._clock.now()
        if now - (post.attempted_at or now) >= self._look_for or is_look_once(delivery):
            return Undecided()
        return look_later(reason, now=now, attempts=delivery.attempts)

    def _wait(self, later: TryLater, post: Post, delivery: Delivery) -> Outcome:
        """Nothing was published. A pause delays and never fails; anything else is tried until the attempts run out."""
        now = self._clock.now()
        if later.pause is not None or later.at is not None:
            return NotSent(reason=later.reason, at=_pause_end(later, now), pause=later.pause, is_pause=True)
        delay = self.retries.delay(delivery.tries)
        if delay is None:
            if post.held:
                return look_later(later.reason, now=now, attempts=delivery.attempts)
            return Finished(result=PostRejected(code="gave-up", message=later.reason))
        return NotSent(reason=later.reason, at=now + timedelta(seconds=delay))

    async def _delete(self, publisher: Publisher, post: Post) -> Outcome:
        external_id = post.external_id
        if external_id is None:
            return Deleted(failure=NOT_DELETED)
        cost = publisher.costs(post.draft()).delete

        def delete(account: Account, tokens: Tokens) -> Awaitable[TryLater | PostRejected | AccessDenied | None]:
            return self._budgets.call(post.key, cost, lambda: publisher.delete(account, tokens, external_id))

        result = await self._with_tokens(post, delete)
        if isinstance(result, TryLater):
            if result.pause is None and result.at is None:
                return Retry(reason=result.reason)
            return Retry(reason=result.reason, at=_pause_end(result, self._clock.now()), is_pause=True)
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
        if isinstance(result, TryLater) and result.pause in {PauseScope.APPLICATION, PauseScope.PLATFORM}:
            await self._close_gate(post.key.platform, result)
        return result

    async def hold_overdue(self, before: datetime) -> None:
        """Let posts that were due before then be looked for before they are sent."""
        if held := await self._posts.hold_overdue(before, OVERDUE):
            log.warning("posts are looked for before they are sent", posts=held, reason=OVERDUE)

    async def _close_gate(self, platform: str, later: TryLater) -> None:
        """Let nobody send to the platform; if the version of its API has ended, nobody who uses that version."""
        version, pause = None, DEFAULT_PAUSE
        if later.pause is PauseScope.PLATFORM:
            version, pause = version_of(self._publishers[platform]), ENDED_VERSION_PAUSE
        until = later.at or self._clock.now() + pause
        log.warning("a platform pauses", platform=platform, reason=later.reason, until=until.isoformat())
        await retry_transaction(lambda: self._deliveries.close_gate(platform, later.reason, until, version=version))

    async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        """Store what became of the post with its record, unless another post of the record is newer."""
        await self._settling.settle(tx, decode_post(delivery.payload), outcome)

    async def discard(self, tx: Transaction, delivery: Delivery, *, actor: str, reason: str) -> None:
        """Fail the post and its record with the operator's reason, and write to the audit who discarded it."""
        await self._settling.discard(tx, decode_post(delivery.payload), discarded(reason), actor=actor)


def _pause_end(later: TryLater, now: datetime) -> datetime:
    """When to try again; what a closed gate holds back leaves soon after the gate opens."""
    at = later.at or now + DEFAULT_PAUSE
    behind_gate = later.pause in {PauseScope.APPLICATION, PauseScope.PLATFORM}
    return min(at, now + BEHIND_GATE) if behind_gate else at
