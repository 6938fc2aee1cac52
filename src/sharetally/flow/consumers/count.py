"""Counting: burn the event and move the count, in one transaction.

A job whose event is gone was counted before and changes nothing; its content is announced again, for the
worker that counted it may have died before it announced. With the feed on, what was counted is told to the
outside by a new event, written here, published after the commit, and burned by its own consumer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sharetally.domain.activity import count_by_minute
from sharetally.domain.content import ContentRef
from sharetally.domain.count import fold
from sharetally.domain.event import COUNTED, Event
from sharetally.flow.announce import Announcer
from sharetally.flow.consumers.feed import feed_events
from sharetally.flow.consumers.refs import by_id, decode_delivery, job_result, park_event
from sharetally.flow.worker import JobResult, Outcomes, logs_each_job
from sharetally.ports import CountedBatch, Delivery, EventRef, EventStore, Ledger, Queue, Total


class Count:
    """The owner of everything that moves a count.

    `on_follow_up` publishes what follows; None: nothing does. `wants_results` says whether somebody wants to know what
    became of each job; if not, and without a feed, events are counted where they stand.
    """

    queue = Queue(name="count", jobs=tuple(sorted(str(job) for job in COUNTED)))

    def __init__(
        self,
        *,
        ledger: Ledger,
        events: EventStore,
        announcer: Announcer,
        on_follow_up: Callable[[Sequence[Event]], None] | None,
        wants_results: Callable[[], bool] = logs_each_job,
    ) -> None:
        self._ledger = ledger
        self._events = events
        self._announcer = announcer
        self._on_follow_up = on_follow_up
        self._wants_results = wants_results

    def decode(self, delivery: Delivery) -> tuple[list[EventRef], list[bytes]]:
        """The jobs of a message."""
        return decode_delivery(delivery)

    async def handle(self, jobs: Sequence[EventRef]) -> Sequence[JobResult] | Outcomes:
        """Burn, fold, move; then announce."""
        return await (
            self._one_by_one(jobs) if self._on_follow_up or self._wants_results() else self._count_in_database(jobs)
        )

    async def _count_in_database(self, jobs: Sequence[EventRef]) -> Outcomes:
        """Nobody asks what became of each event: it need not leave the database."""
        async with self._ledger.transaction() as tx:
            counted = await tx.count([job.id for job in jobs], COUNTED)
        await self._announcer.announce({job.content for job in jobs} | counted.content_items, counted.minute_counts)
        return _outcomes(jobs, counted)

    async def _one_by_one(self, jobs: Sequence[EventRef]) -> list[JobResult]:
        async with self._ledger.transaction() as tx:
            events = [event for event in await tx.take([job.id for job in jobs]) if event.job in COUNTED]
            await tx.burn([event.id for event in events])
            totals = await tx.move(fold(events)) if events else {}
            follow_up = feed_events(events, totals) if self._on_follow_up else []
            await tx.emit(follow_up)
        if self._on_follow_up:
            self._on_follow_up(follow_up)
        await self._announcer.announce({job.content for job in jobs} | set(totals), count_by_minute(events))
        return _results(jobs, events, totals)

    async def park(self, job: EventRef, reason: str) -> JobResult:
        """Park it: it stays in the invariant as pending."""
        return await park_event(self._events, job, reason)


def _outcomes(jobs: Sequence[EventRef], counted: CountedBatch) -> Outcomes:
    """What came under a name and was not counted under it had been counted before."""
    counts = {(job, "counted"): count for job, count in counted.event_counts.items()}
    for job, received in Counter(job.job for job in jobs).items():
        duplicates = received - counted.event_counts.get(job, 0)
        if duplicates > 0:
            counts[job, "duplicate"] = duplicates
    return Outcomes(counts=counts)


def _results(jobs: Sequence[EventRef], events: Sequence[Event], totals: Mapping[ContentRef, Total]) -> list[JobResult]:
    burned = dict(by_id(events))
    found = []
    for job in jobs:
        event = burned.pop(job.id, None)
        total = totals.get(event.content if event else job.content)
        shares = max(total.shares, 0) if total else None
        found.append(job_result(job, "counted" if event else "duplicate", event=event, shares=shares))
    return found
