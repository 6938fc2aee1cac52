"""Posting: settles what was asked to be posted.

No platform of this version posts on a user's behalf, so a retried record fails with a reason that says
so, instead of staying pending for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from sharetally.domain.event import Event, Job
from sharetally.domain.share import Failure, RecordKey, Request
from sharetally.flow.batch import Batch
from sharetally.flow.consumers.heads import decode_heads, park, settled
from sharetally.flow.sharing import Ids, take_step
from sharetally.flow.worker import JobResult
from sharetally.ports import Clock, Delivery, EventHead, Ledger, Outbox, Queue, References

ACTOR = "sharetally"
UNABLE = Failure(code="posting-unavailable", message="this version cannot post to the platform on a user's behalf")


class Post:
    """The owner of what is to be posted."""

    queue = Queue(name="post", jobs=(str(Job.SHARE_POST),))

    def __init__(self, *, ledger: Ledger, outbox: Outbox, clock: Clock) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock

    def decode(self, delivery: Delivery) -> tuple[list[EventHead], list[bytes]]:
        """The jobs of a message."""
        return decode_heads(delivery)

    async def handle(self, jobs: Sequence[EventHead]) -> list[JobResult]:
        """Fail each record with its reason, and burn its event."""
        async with self._ledger.transaction() as tx:
            events = [event for event in await tx.take([job.id for job in jobs]) if event.job == Job.SHARE_POST]
            keys = {event.id: _key(event) for event in events}
            rows = Batch(await tx.lock(References(records=frozenset(keys.values()))), self._clock.now())
            for event in events:
                self._fail(rows, keys[event.id], event)
            await tx.write(rows.take_writes())
            await tx.burn(list(keys))
        return settled(jobs, events)

    def _fail(self, rows: Batch, key: RecordKey, event: Event) -> None:
        (ids,) = Ids.new(1)
        take_step(rows, key, Request.REJECT, ids, actor=ACTOR, request_id=event.request_id, failure=UNABLE)

    async def set_aside(self, job: EventHead, reason: str) -> JobResult:
        """Park it."""
        return await park(self._outbox, job, reason)


def _key(event: Event) -> RecordKey:
    return RecordKey(
        content_type=event.content.type,
        content_id=event.content.id,
        platform=event.payload,
        user_id=event.user_id or "",
    )
