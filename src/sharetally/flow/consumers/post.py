"""Retired: settles `share_post` events of the version before. A post is a delivery now (`flow/posting`).

A process that was not upgraded yet still writes such events, so their queue is consumed for one more release. A
record fails as it does by a delivery: no platform of this version posts on a user's behalf.
"""

from __future__ import annotations

from collections.abc import Sequence

from sharetally.domain.event import Event, Job
from sharetally.domain.share import RecordKey, Request
from sharetally.flow.batch import Batch
from sharetally.flow.consumers.heads import decode_heads, park, settled
from sharetally.flow.posting.failing import UNAVAILABLE
from sharetally.flow.sharing import Ids, take_step
from sharetally.flow.worker import JobResult
from sharetally.ports import Clock, Delivery, EventHead, Ledger, Outbox, Queue, References

ACTOR = "sharetally"


class Post:
    """The owner of what was to be posted by events."""

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
            keys = {event.id: key_of_post(event) for event in events}
            rows = Batch(await tx.lock(References(records=frozenset(keys.values()))), self._clock.now())
            for event in events:
                self._fail(rows, keys[event.id], event)
            await tx.write(rows.take_writes())
            await tx.burn(list(keys))
        return settled(jobs, events)

    def _fail(self, rows: Batch, key: RecordKey, event: Event) -> None:
        (ids,) = Ids.new(1)
        take_step(rows, key, Request.REJECT, ids, actor=ACTOR, request_id=event.request_id, failure=UNAVAILABLE)

    async def set_aside(self, job: EventHead, reason: str) -> JobResult:
        """Park it."""
        return await park(self._outbox, job, reason)


def key_of_post(event: Event) -> RecordKey:
    """The record that such an event would post."""
    return RecordKey(
        content_type=event.content.type,
        content_id=event.content.id,
        platform=event.payload,
        user_id=event.user_id or "",
    )
