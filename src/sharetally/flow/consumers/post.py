"""Retired: settles `share_post` events of the version before. A post is a delivery now (`flow/posting`).

A process that was not upgraded yet still writes such events, so their queue is consumed for one more release. A
record fails as it does by a delivery: no platform of this version posts on a user's behalf.
"""

from __future__ import annotations

from collections.abc import Sequence

from sharetally.domain.event import Event, Job
from sharetally.domain.share import RecordKey, Trigger
from sharetally.flow.consumers.refs import decode_delivery, done_or_duplicate, park_event
from sharetally.flow.posting.failing import UNAVAILABLE
from sharetally.flow.share_commands import Ids, apply_trigger
from sharetally.flow.unit_of_work import UnitOfWork
from sharetally.flow.worker import JobResult
from sharetally.ports import Clock, Delivery, EventRef, EventStore, Ledger, LockSet, Queue

ACTOR = "sharetally"


class Post:
    """The owner of what was to be posted by events."""

    queue = Queue(name="post", jobs=(str(Job.SHARE_POST),))

    def __init__(self, *, ledger: Ledger, events: EventStore, clock: Clock) -> None:
        self._ledger = ledger
        self._events = events
        self._clock = clock

    def decode(self, delivery: Delivery) -> tuple[list[EventRef], list[bytes]]:
        """The jobs of a message."""
        return decode_delivery(delivery)

    async def handle(self, jobs: Sequence[EventRef]) -> list[JobResult]:
        """Fail each record with its reason, and burn its event."""
        async with self._ledger.transaction() as tx:
            events = [event for event in await tx.take([job.id for job in jobs]) if event.job == Job.SHARE_POST]
            keys = {event.id: key_of_post(event) for event in events}
            work = UnitOfWork(await tx.lock(LockSet(records=frozenset(keys.values()))), self._clock.now())
            for event in events:
                self._fail(work, keys[event.id], event)
            await tx.write(work.take_writes())
            await tx.burn(list(keys))
        return done_or_duplicate(jobs, events)

    def _fail(self, work: UnitOfWork, key: RecordKey, event: Event) -> None:
        (ids,) = Ids.new(1)
        apply_trigger(work, key, Trigger.REJECT, ids, actor=ACTOR, request_id=event.request_id, failure=UNAVAILABLE)

    async def park(self, job: EventRef, reason: str) -> JobResult:
        """Park it."""
        return await park_event(self._events, job, reason)


def key_of_post(event: Event) -> RecordKey:
    """The record that such an event would post."""
    return RecordKey(
        content_type=event.content.type,
        content_id=event.content.id,
        platform=event.payload,
        user_id=event.user_id or "",
    )
