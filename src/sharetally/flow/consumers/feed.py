"""The outside feed: each counted event as the requirement document's job, one message each.

The event row that carries it is written in the transaction that counts, and burned after the broker has
confirmed: at least once, in the document's words, with `version` and the new `shareCount` added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.flow.consumers.feed_jobs import feed_job, from_payload, to_payload
from sharetally.flow.consumers.refs import decode_delivery, done_or_duplicate, park_event
from sharetally.flow.worker import JobResult
from sharetally.ports import Broker, Delivery, EventRef, EventStore, FeedMessage, Ledger, Queue, Total


def feed_events(events: Sequence[Event], totals: Mapping[ContentRef, Total]) -> list[Event]:
    """One event per counted event, its payload the document's job."""
    return [_feed_event(event, totals[event.content].shares if event.content in totals else 0) for event in events]


def _feed_event(event: Event, shares: int) -> Event:
    return Event(
        id=new_id(),
        job=Job.SHARE_FEED,
        content=event.content,
        at=event.at,
        share_id=event.share_id,
        user_id=event.user_id,
        request_id=event.request_id,
        payload=to_payload(event.job, feed_job(event, shares)),
    )


class Feed:
    """The owner of what goes outside."""

    queue = Queue(name="feed", jobs=(str(Job.SHARE_FEED),))

    def __init__(self, *, ledger: Ledger, events: EventStore, broker: Broker) -> None:
        self._ledger = ledger
        self._events = events
        self._broker = broker

    def decode(self, delivery: Delivery) -> tuple[list[EventRef], list[bytes]]:
        """The jobs of a message."""
        return decode_delivery(delivery)

    async def handle(self, jobs: Sequence[EventRef]) -> list[JobResult]:
        """Publish, wait for the confirms, burn."""
        async with self._ledger.transaction() as tx:
            events = [event for event in await tx.take([job.id for job in jobs]) if event.job == Job.SHARE_FEED]
            if events:
                await self._broker.publish_feed([_message(event) for event in events])
                await tx.burn([event.id for event in events])
        return done_or_duplicate(jobs, events)

    async def park(self, job: EventRef, reason: str) -> JobResult:
        """Park it."""
        return await park_event(self._events, job, reason)


def _message(event: Event) -> FeedMessage:
    name, job = from_payload(event.payload)
    return FeedMessage(job=name, message_id=job.jobId, at=event.at, body=msgspec.json.encode(job))
