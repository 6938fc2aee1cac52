"""The handler of posts. This version cannot post to any platform, so every post fails its record.

Record and delivery change in one transaction: a record is never pending without a delivery that can change its status.
A dead post leaves its record pending, because it can still be replayed; discarding the post fails the record.
"""

from __future__ import annotations

from sharetally.domain.audit import AuditEntry
from sharetally.domain.backoff import Backoff
from sharetally.domain.content import ContentRef
from sharetally.domain.delivery import RETRIES, Delivery, Done, Outcome
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action
from sharetally.flow.posting.failing import UNAVAILABLE, discarded, fail_post
from sharetally.flow.posting.message import KIND, decode_post
from sharetally.ports import Clock, Transaction, Writes

ACTOR = "sharetally"


class PostHandler:
    """Fails the record of each post."""

    kind: str = KIND
    retries: Backoff = RETRIES
    seconds: float = 60.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Send nothing; `settle` fails the record."""
        decode_post(delivery.payload)
        return Done()

    async def settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        """Fail the record; it stays pending while the post is retried or dead."""
        if not isinstance(outcome, Done):
            return
        post = decode_post(delivery.payload)
        await fail_post(
            tx,
            post.key,
            UNAVAILABLE,
            clock=self._clock,
            actor=ACTOR,
            request_id=post.requestId,
            attempt=post.attempt,
        )

    async def discard(self, tx: Transaction, delivery: Delivery, *, actor: str, reason: str) -> None:
        """Fail the record with the operator's reason, and write to the audit who discarded the post."""
        post = decode_post(delivery.payload)
        await fail_post(
            tx,
            post.key,
            discarded(reason),
            clock=self._clock,
            actor=actor,
            request_id=post.requestId,
            attempt=post.attempt,
        )
        entry = AuditEntry(
            id=new_id(),
            at=self._clock.now(),
            subject_id=post.recordId,
            content=ContentRef(type=post.contentType, id=post.contentId),
            user_id=post.userId,
            actor=actor,
            action=Action.DISCARDED.value,
            platform=post.platform,
            error_message=reason,
            request_id=post.requestId,
        )
        await tx.write(Writes(audit=[entry]))
