"""Jobs from other services, taken from `sharetally.in`: each a line of the ledger and an event, once per `jobId`.

A job that is none is parked with its reason and its text, and replayed from there when it was mended
elsewhere; bytes that are no JSON object are rejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import MalformedMessage, Rejected
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.flow.adjustments import Adjustments
from sharetally.flow.consumers.external import InboundJob, from_payload, to_adjustment, to_payload, unwrap
from sharetally.flow.consumers.refs import decode_delivery
from sharetally.flow.worker import JobResult
from sharetally.ports import Clock, Delivery, EventStore, Ledger, Queue

NO_CONTENT = ContentRef(type="", id="")
T = TypeVar("T")


class Inbound:
    """The owner of what comes from other services."""

    queue = Queue(name="in", jobs=(str(Job.SHARE_INBOUND),))

    def __init__(self, *, ledger: Ledger, events: EventStore, adjustments: Adjustments, clock: Clock) -> None:
        self._ledger = ledger
        self._events = events
        self._adjustments = adjustments
        self._clock = clock

    def decode(self, delivery: Delivery) -> tuple[list[InboundJob], list[bytes]]:
        """One job from outside, or the ids of parked ones that are replayed."""
        if delivery.job == Job.SHARE_INBOUND:
            refs, rest = decode_delivery(delivery)
            return [InboundJob(name="", text="", parked_id=ref.id) for ref in refs], rest
        return [unwrap(delivery)], []

    async def handle(self, jobs: Sequence[InboundJob]) -> list[JobResult]:
        """Write each as an adjustment; the committer makes one transaction of those that arrive at the same time."""
        done = await asyncio.gather(
            *(self._count(job) for job in jobs if job.parked_id is None), return_exceptions=True
        )
        for each in done:
            if isinstance(each, BaseException):
                raise each
        fresh = [each for each in done if not isinstance(each, BaseException)]
        return fresh + [await self._replay(job.parked_id) for job in jobs if job.parked_id is not None]

    async def _count(self, job: InboundJob) -> JobResult:
        adjustment = to_adjustment(job)
        try:
            await self._adjustments.adjust([adjustment], user_id=adjustment.actor, job=Job(job.name))
        except Rejected as error:
            raise MalformedMessage(error.detail) from error
        return _result(job.name, adjustment.request_key, "done", adjustment)

    async def _replay(self, event_id: UUID) -> JobResult:
        """Count what the row holds, then burn the row; twice is once, by the jobId."""
        async with self._ledger.transaction() as tx:
            taken = await tx.take([event_id])
        if not taken or taken[0].job != Job.SHARE_INBOUND:
            return _result(str(Job.SHARE_INBOUND), str(event_id), "duplicate")
        done = await self._count(from_payload(taken[0].payload, event_id))
        async with self._ledger.transaction() as tx:
            await tx.burn([event_id])
        return done

    async def park(self, job: InboundJob, reason: str) -> JobResult:
        """Park it, on its row if it has one."""
        if job.parked_id is not None:
            await self._events.park(job.parked_id, reason)
        else:
            kept = to_payload(job)
            event = Event(id=new_id(), job=Job.SHARE_INBOUND, content=NO_CONTENT, at=self._clock.now(), payload=kept)
            await self._events.add_parked(event, reason)
        return _result(job.name or str(Job.SHARE_INBOUND), job.job_id, "parked", error=reason)


def _result(
    job: str, job_id: str, outcome: str, adjustment: Adjustment | None = None, *, error: str | None = None
) -> JobResult:
    content = adjustment.content if adjustment else NO_CONTENT
    return JobResult(
        job_id=job_id, job=job, outcome=outcome, content_type=content.type, content_id=content.id, error=error
    )
