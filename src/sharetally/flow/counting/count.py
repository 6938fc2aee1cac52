"""Counting: burn the events and move the counts, in one transaction; then announce the new counts.

Where the database can, it counts a batch in one statement, and no event leaves it (ADR 0010). While a reaction is
enabled, events are taken, burned and folded here, because reactions look at single events.

A job whose event is gone was counted before and changes nothing. Its content item is announced again, because the
worker that counted it may have died before it announced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from sharetally.domain.activity import count_by_minute
from sharetally.domain.count import fold
from sharetally.domain.event import COUNTED, Event
from sharetally.flow.consumers.refs import park_event
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.reactions import Reactions
from sharetally.flow.jobs import decode_refs
from sharetally.flow.worker import JobResult, Outcomes, logs_each_job
from sharetally.ports import CountedBatch, CountedEvent, Delivery, EventRef, EventStore, Ledger, Queue, Transaction


class Count:
    """The owner of everything that moves a count.

    `on_follow_up` publishes the events that reactions returned. `wants_results` says whether the result of each job
    is wanted, or only how many jobs had which outcome.
    """

    queue = Queue(name="count", jobs=tuple(sorted(str(job) for job in COUNTED)))

    def __init__(
        self,
        *,
        ledger: Ledger,
        events: EventStore,
        announcer: Announcer,
        reactions: Reactions,
        on_follow_up: Callable[[Sequence[Event]], None],
        wants_results: Callable[[], bool] = logs_each_job,
    ) -> None:
        self._ledger = ledger
        self._events = events
        self._announcer = announcer
        self._reactions = reactions
        self._on_follow_up = on_follow_up
        self._wants_results = wants_results

    def decode(self, delivery: Delivery) -> tuple[list[EventRef], list[bytes]]:
        """The jobs of a message."""
        return decode_refs(delivery)

    async def handle(self, jobs: Sequence[EventRef]) -> Sequence[JobResult] | Outcomes:
        """Count the batch, publish what follows, and announce the new counts."""
        ids, wants_results = [job.id for job in jobs], self._wants_results()
        follow_ups: Sequence[Event] = ()
        async with self._ledger.transaction() as tx:
            if self._reactions.enabled:
                counted, follow_ups = await self._count_with_reactions(tx, ids)
            else:
                counted = await tx.count(ids, COUNTED, each_event=wants_results)
        if follow_ups:
            self._on_follow_up(follow_ups)
        await self._announcer.announce({job.content for job in jobs} | counted.content_items, counted.minute_counts)
        return _results(jobs, counted) if wants_results else _outcomes(jobs, counted)

    async def _count_with_reactions(self, tx: Transaction, ids: Sequence[UUID]) -> tuple[CountedBatch, Sequence[Event]]:
        events = [event for event in await tx.take(ids) if event.job in COUNTED]
        if not events:
            return CountedBatch(), ()
        await tx.burn([event.id for event in events])
        totals = await tx.move(fold(events))
        follow_ups = await self._reactions.write(tx, events, totals)
        counted = CountedBatch(
            event_counts=Counter(event.job for event in events),
            content_items={event.content for event in events},
            minute_counts=count_by_minute(events),
            events=[CountedEvent(event.id, event.job, event.content, event.request_id) for event in events],
            shares={content: total.shares for content, total in totals.items()},
        )
        return counted, follow_ups

    async def park(self, job: EventRef, reason: str) -> JobResult:
        """Park it: it stays in the invariant as pending."""
        return await park_event(self._events, job, reason)


def _outcomes(jobs: Sequence[EventRef], counted: CountedBatch) -> Outcomes:
    """Jobs that came under a name and were not counted under it had been counted before."""
    counts = {(job, "counted"): count for job, count in counted.event_counts.items()}
    for job, received in Counter(job.job for job in jobs).items():
        duplicates = received - counted.event_counts.get(job, 0)
        if duplicates > 0:
            counts[job, "duplicate"] = duplicates
    return Outcomes(counts=counts)


def _results(jobs: Sequence[EventRef], counted: CountedBatch) -> list[JobResult]:
    """The result of each job; where it was counted, job and content are those of the event, not of the message."""
    left = {event.id: event for event in counted.events}
    results = []
    for job in jobs:
        event = left.pop(job.id, None)
        content = event.content if event else job.content
        shares = counted.shares.get(content)
        results.append(
            JobResult(
                job_id=str(job.id),
                job=str(event.job) if event else job.job,
                outcome="counted" if event else "duplicate",
                content_type=content.type,
                content_id=content.id,
                share_count=None if shares is None else max(shares, 0),
                request_id=event.request_id if event else "",
            )
        )
    return results
