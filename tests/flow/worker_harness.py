"""A worker's surroundings that can be looked at: a consumer that notes what it gets, and a place for marks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sharetally.domain.errors import Unavailable
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.flow.consumers.refs import decode_delivery
from sharetally.flow.jobs import to_messages, to_ref
from sharetally.flow.worker import JobResult, Worker
from sharetally.ports import Broker, Delivery, EventRef, EventStore, Queue
from tests.contracts.database_rows import AT
from tests.flow.harness import VIDEO, RecordingMeter

CREATED = str(Job.SHARE_CREATED)


class RecordingConsumer:
    """A consumer that records what it gets.

    While `open` is not set it waits in the middle; `faults` are raised in turn; what is in `poison` always fails.
    """

    queue = Queue(name="count", jobs=(CREATED,))

    def __init__(self) -> None:
        self.calls: list[list[EventRef]] = []
        self.done: list[EventRef] = []
        self.parked: list[tuple[EventRef, str]] = []
        self.faults: list[Exception] = []
        self.poison: dict[EventRef, Exception] = {}
        self.open = asyncio.Event()
        self.open.set()

    def decode(self, delivery: Delivery) -> tuple[list[EventRef], list[bytes]]:
        return decode_delivery(delivery)

    async def handle(self, jobs: Sequence[EventRef]) -> list[JobResult]:
        self.calls.append(list(jobs))
        await self.open.wait()
        if self.faults:
            raise self.faults.pop(0)
        for job in jobs:
            if job in self.poison:
                raise self.poison[job]
        self.done += jobs
        return [_result(job, "counted") for job in jobs]

    async def park(self, job: EventRef, reason: str) -> JobResult:
        self.parked.append((job, reason))
        return _result(job, "parked", reason)

    async def has_been_called(self, times: int) -> bool:
        return len(self.calls) >= times

    async def has_done(self, jobs: int) -> bool:
        return len(self.done) >= jobs


class MarkRecorder:
    """Where markers are noted."""

    def __init__(self) -> None:
        self.noted: dict[str, datetime] = {}
        self.faults = 0

    async def mark(self, queue: str, at: datetime) -> None:
        if self.faults:
            self.faults -= 1
            raise Unavailable("the database is away")
        self.noted[queue] = at

    async def any(self) -> bool:
        return bool(self.noted)


class WorkerHarness:
    """Hires workers whose consumer is `recorder`, and remembers their marks and outcomes."""

    def __init__(self) -> None:
        self.recorder = RecordingConsumer()
        self.marks = MarkRecorder()
        self.tally = RecordingMeter()

    def worker(self, broker: Broker, *, silence: float = 60.0) -> Worker[Any]:
        events = cast(EventStore, self.marks)
        return Worker(broker=broker, events=events, consumer=self.recorder, meter=self.tally, silence=silence)


def _result(job: EventRef, outcome: str, error: str | None = None) -> JobResult:
    return JobResult(
        job_id=str(job.id),
        job=job.job,
        outcome=outcome,
        content_type=job.content.type,
        content_id=job.content.id,
        error=error,
    )


def make_event_refs(number: int) -> list[EventRef]:
    return [to_ref(Event(id=new_id(), job=CREATED, content=VIDEO, at=AT)) for _ in range(number)]


async def publish_refs(broker: Broker, *some: EventRef) -> None:
    await broker.publish(list(to_messages(some)))
