"""Counting: burn the event and move the count, in one transaction.

A job whose event is gone was counted before and changes nothing; its content is announced again, for the
worker that counted it may have died before it announced. With the feed on, what was counted is told to the
outside by a new event, written here, published after the commit, and burned by its own consumer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sharetally.domain.activity import made
from sharetally.domain.content import ContentRef
from sharetally.domain.count import fold
from sharetally.domain.event import COUNTED, Event
from sharetally.flow.announce import Announcer
from sharetally.flow.consumers.feed import feed_events
from sharetally.flow.consumers.heads import by_id, decode_heads, park, result
from sharetally.flow.worker import JobResult, Outcomes, heard
from sharetally.ports import Counted, Delivery, EventHead, Ledger, Outbox, Queue, Total


class Count:
    """The owner of everything that moves a count.

    `feed` publishes what follows from it; None: nothing does. `told` says whether somebody wants to know what
    became of each job; if not, and without a feed, events are counted where they stand.
    """

    queue = Queue(name="count", jobs=tuple(sorted(str(job) for job in COUNTED)))

    def __init__(
        self,
        *,
        ledger: Ledger,
        outbox: Outbox,
        announcer: Announcer,
        feed: Callable[[Sequence[Event]], None] | None,
        told: Callable[[], bool] = heard,
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._announcer = announcer
        self._feed = feed
        self._told = told

    def decode(self, delivery: Delivery) -> tuple[list[EventHead], list[bytes]]:
        """The jobs of a message."""
        return decode_heads(delivery)

    async def handle(self, jobs: Sequence[EventHead]) -> Sequence[JobResult] | Outcomes:
        """Burn, fold, move; then announce."""
        return await (self._one_by_one(jobs) if self._feed or self._told() else self._at_once(jobs))

    async def _at_once(self, jobs: Sequence[EventHead]) -> Outcomes:
        """Nobody asks what became of each event: it need not leave the database."""
        async with self._ledger.transaction() as tx:
            counted = await tx.count([job.id for job in jobs], COUNTED)
        await self._announcer.announce({job.content for job in jobs} | counted.contents, counted.made)
        return _outcomes(jobs, counted)

    async def _one_by_one(self, jobs: Sequence[EventHead]) -> list[JobResult]:
        async with self._ledger.transaction() as tx:
            events = [event for event in await tx.take([job.id for job in jobs]) if event.job in COUNTED]
            await tx.burn([event.id for event in events])
            totals = await tx.move(fold(events)) if events else {}
            follows = feed_events(events, totals) if self._feed else []
            await tx.emit(follows)
        if self._feed:
            self._feed(follows)
        await self._announcer.announce({job.content for job in jobs} | set(totals), made(events))
        return _results(jobs, events, totals)

    async def set_aside(self, job: EventHead, reason: str) -> JobResult:
        """Park it: it stays in the invariant as pending."""
        return await park(self._outbox, job, reason)


def _outcomes(jobs: Sequence[EventHead], counted: Counted) -> Outcomes:
    """What came under a name and was not counted under it had been counted before."""
    numbers = {(job, "counted"): number for job, number in counted.numbers.items()}
    for job, came in Counter(job.job for job in jobs).items():
        missed = came - counted.numbers.get(job, 0)
        if missed > 0:
            numbers[job, "duplicate"] = missed
    return Outcomes(numbers=numbers)


def _results(jobs: Sequence[EventHead], events: Sequence[Event], totals: Mapping[ContentRef, Total]) -> list[JobResult]:
    burned = dict(by_id(events))
    found = []
    for job in jobs:
        event = burned.pop(job.id, None)
        total = totals.get(event.content if event else job.content)
        shares = max(total.shares, 0) if total else None
        found.append(result(job, "counted" if event else "duplicate", event=event, shares=shares))
    return found
