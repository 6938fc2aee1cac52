"""Takes jobs from one queue to the consumer that owns them.

Batches grow to 5,000 jobs while the queue has more; one batch is in flight; the broker is told only after
the commit. What passes (deadlock, database away) is tried again with growing pauses and nothing is
acknowledged meanwhile. What fails by itself is found by halving the batch, and parked alone with its
reason. Only bytes that hold no job are buried.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from logging import ERROR, INFO
from typing import Generic, Protocol, TypeVar

import structlog

from sharetally.domain.backoff import Backoff
from sharetally.domain.errors import BrokerUnavailable, SharetallyError, TransientConflict, Unavailable
from sharetally.flow.jobs import parse_marker
from sharetally.ports import Broker, Delivery, EventStore, Meter, Queue, Subscription

PREFETCH = 200  # in hand at most
MAX_JOBS = 5_000
SILENCE_SECONDS = 60.0  # then subscribe anew: RabbitMQ can forget a consumer without a word
TRANSIENT_BACKOFF = Backoff(first=0.05, longest=10.0)
RECONNECT_BACKOFF = Backoff(first=0.2, longest=5.0)
TRANSIENT = (TransientConflict, Unavailable, ConnectionError, TimeoutError)
log = structlog.get_logger("sharetally.worker")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """What became of one job: the requirement document's ShareCountResult, and the request it came from.

    `outcome` is `counted`, `duplicate` (its event was burned before), `done` or `parked`.
    """

    job_id: str
    job: str
    outcome: str
    content_type: str
    content_id: str
    share_count: int | None = None
    request_id: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """What became of a batch whose jobs nobody asks about one by one: how many, by job and outcome."""

    counts: Mapping[tuple[str, str], int]


def logs_each_job() -> bool:
    """Whether anybody reads a line about each job."""
    return bool(log.is_enabled_for(INFO))


class Consumer(Protocol[T]):
    """Owns some jobs: nobody else burns their events."""

    @property
    def queue(self) -> Queue:
        """Its queue and the jobs that go there."""
        ...

    def decode(self, delivery: Delivery) -> tuple[list[T], list[bytes]]:
        """The jobs of a message, and the pieces that hold none; `MalformedMessage` if it holds none at all."""
        ...

    async def handle(self, jobs: Sequence[T]) -> Sequence[JobResult] | Outcomes:
        """Do all of them in one transaction, or none; where nobody is `logs_each_job`, numbers are enough."""
        ...

    async def park(self, job: T, reason: str) -> JobResult:
        """Park one job that can never succeed."""
        ...


class Worker(Generic[T]):
    """One queue, one consumer."""

    def __init__(
        self,
        *,
        broker: Broker,
        events: EventStore,
        consumer: Consumer[T],
        meter: Meter,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._silence = silence
        self._broker = broker
        self._events = events
        self._consumer: Consumer[T] = consumer
        self._meter = meter

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop; the batch in hand is finished first."""
        attempt = failures = 0
        while not stop.is_set():
            try:
                async with self._broker.subscribe(self._consumer.queue.name, prefetch=PREFETCH) as subscription:
                    attempt = 0
                    await self._consume(subscription, stop)
                failures = 0
            except BrokerUnavailable as error:
                attempt += 1
                log.info("queue lost, trying again", queue=self._consumer.queue.name, reason=error.detail)
                await _pause(stop, RECONNECT_BACKOFF.delay(attempt))
            except Exception:
                # What is in hand was not acknowledged and comes again; nobody but this task would ever consume.
                failures += 1
                log.exception("worker_failed", queue=self._consumer.queue.name)
                await _pause(stop, TRANSIENT_BACKOFF.delay(failures))

    async def _consume(self, subscription: Subscription, stop: asyncio.Event) -> None:
        """Until it is time to stop, or the queue has been silent for long."""
        while True:
            deliveries = await _next_or_stop(subscription, stop, self._silence)
            if not deliveries:
                return
            await self._handle_deliveries(subscription, deliveries, stop)
            await subscription.ack(deliveries[-1])

    async def _handle_deliveries(
        self, subscription: Subscription, deliveries: Sequence[Delivery], stop: asyncio.Event
    ) -> None:
        jobs: list[T] = []
        marks: list[datetime] = []
        for delivery in deliveries:
            mark = parse_marker(delivery.job, delivery.body)
            if mark is not None:
                marks.append(mark)
            else:
                jobs += await self._decode(subscription, delivery)
        for start in range(0, len(jobs), MAX_JOBS):
            await self._handle(jobs[start : start + MAX_JOBS], stop)
        if marks:
            await self._retry_transient(lambda: self._events.mark(self._consumer.queue.name, max(marks)), stop)

    async def _decode(self, subscription: Subscription, delivery: Delivery) -> list[T]:
        try:
            jobs, rest = self._consumer.decode(delivery)
        except Exception as error:  # whatever somebody sent us must not come again for ever
            await self._reject(subscription, delivery, _reason(error))
            return []
        for piece in rest:
            part = Delivery(tag=delivery.tag, job=delivery.job, body=piece)
            await self._reject(subscription, part, "not a job")
        return jobs

    async def _reject(self, subscription: Subscription, delivery: Delivery, reason: str) -> None:
        await subscription.reject(delivery, reason)
        self._meter.job(delivery.job, "buried", 0.0)
        log.error(
            "buried",
            queue=self._consumer.queue.name,
            job=delivery.job,
            reason=reason,
            bytes=len(delivery.body),
        )

    async def _handle(self, jobs: Sequence[T], stop: asyncio.Event) -> None:
        began = time.perf_counter()
        try:
            results = await self._retry_transient(lambda: self._consumer.handle(jobs), stop)
        except BrokerUnavailable:
            raise
        except Exception as error:  # one of them has a fault, or its consumer has: which one?
            await self._split(jobs, error, stop)
        else:
            self._report(results, time.perf_counter() - began)

    async def _split(self, jobs: Sequence[T], error: Exception, stop: asyncio.Event) -> None:
        """Find the one that fails by itself, and park it."""
        if len(jobs) > 1:
            half = len(jobs) // 2
            await self._handle(jobs[:half], stop)
            await self._handle(jobs[half:], stop)
            return
        parked = await self._retry_transient(lambda: self._consumer.park(jobs[0], _reason(error)), stop)
        self._report([parked], 0.0)

    async def _retry_transient(self, step: Callable[[], Awaitable[R]], stop: asyncio.Event) -> R:
        attempt = 0
        while True:
            try:
                return await step()
            except BrokerUnavailable:
                raise
            except TRANSIENT as error:
                attempt += 1
                if stop.is_set():
                    raise BrokerUnavailable("told to stop; what is in hand comes again") from error
                log.info("trying again", queue=self._consumer.queue.name, attempt=attempt, reason=_reason(error))
                await _pause(stop, TRANSIENT_BACKOFF.delay(attempt))

    def _report(self, results: Sequence[JobResult] | Outcomes, seconds: float) -> None:
        if isinstance(results, Outcomes):
            self._measure(results.counts, seconds)
            return
        self._measure(Counter((result.job, result.outcome) for result in results), seconds)
        for result in results:
            if result.error is not None or logs_each_job():
                _log_result(result, seconds)

    def _measure(self, counts: Mapping[tuple[str, str], int], seconds: float) -> None:
        each = seconds / max(1, sum(counts.values()))
        for (job, outcome), count in counts.items():
            self._meter.job(job, outcome, each, count)


def _log_result(result: JobResult, seconds: float) -> None:
    success = result.error is None
    log.log(
        INFO if success else ERROR,
        "job",
        jobId=result.job_id,
        job=result.job,
        outcome=result.outcome,
        success=success,
        processingTime=round(seconds * 1000, 3),
        data={
            "contentType": result.content_type,
            "contentId": result.content_id,
            "shareCount": result.share_count,
        },
        requestId=result.request_id,
        **({} if success else {"error": result.error}),
    )


def _reason(error: Exception) -> str:
    """Why, as every database can store it."""
    text = error.detail if isinstance(error, SharetallyError) else ""
    text = text or f"{type(error).__name__}: {error}"
    return "".join(character if character.isprintable() else "?" for character in text)


async def _next_or_stop(subscription: Subscription, stop: asyncio.Event, silence: float) -> list[Delivery]:
    """The next deliveries, or none when it is time to stop or there are none for so long."""
    if stop.is_set():
        return []
    waiting = asyncio.ensure_future(subscription.next(PREFETCH))
    ending = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({waiting, ending}, timeout=silence, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else []
    finally:
        for task in (waiting, ending):
            task.cancel()


async def _pause(stop: asyncio.Event, seconds: float | None) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
