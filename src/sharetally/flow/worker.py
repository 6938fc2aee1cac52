"""Takes jobs from one queue to the consumer that owns them.

Batches grow to 5,000 jobs while the queue has more. One batch is in flight, and messages are acknowledged only after
the commit. After a transient fault (a deadlock, a lost database) the batch is tried again with growing pauses, and
nothing is acknowledged meanwhile. A job that always fails is found by splitting the batch in half, and is parked alone
with its reason. Only bytes that hold no job are rejected.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from logging import ERROR, INFO
from typing import Generic, Protocol, TypeVar

import structlog

from sharetally.domain.backoff import Backoff
from sharetally.domain.errors import BrokerUnavailable, SharetallyError, TransientConflict, Unavailable
from sharetally.flow.jobs import parse_marker
from sharetally.ports import Broker, Delivery, EventStore, Meter, Queue, Subscription

PREFETCH = 200  # unacknowledged messages, at most
MAX_JOBS = 5_000
SILENCE_SECONDS = 60.0  # then subscribe anew: RabbitMQ can lose a consumer without reporting it
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
    """How many jobs of a batch had which outcome, where the result of each job is not wanted."""

    counts: Mapping[tuple[str, str], int]


def logs_each_job() -> bool:
    """Whether each job is logged."""
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
        """Handle all of them in one transaction, or none; unless each job is logged, `Outcomes` are enough."""
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
                # Nothing was acknowledged, so all of it is delivered again; no other task would consume this queue.
                failures += 1
                log.exception("worker_failed", queue=self._consumer.queue.name)
                await _pause(stop, TRANSIENT_BACKOFF.delay(failures))

    async def _consume(self, subscription: Subscription, stop: asyncio.Event) -> None:
        """Consume until it is time to stop, or the queue has been silent for long."""
        while True:
            deliveries = await _next_or_stop(subscription, stop, self._silence)
            if not deliveries:
                return
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
                mark_newest = partial(self._events.mark, self._consumer.queue.name, max(marks))
                await self._retry_transient(mark_newest, stop)
            await subscription.ack(deliveries[-1])

    async def _decode(self, subscription: Subscription, delivery: Delivery) -> list[T]:
        try:
            jobs, rest = self._consumer.decode(delivery)
        except Exception as error:  # a malformed message must not be delivered again for ever
            await self._reject(subscription, delivery, _reason(error))
            return []
        for piece in rest:
            part = Delivery(tag=delivery.tag, job=delivery.job, body=piece)
            await self._reject(subscription, part, "not a job")
        return jobs

    async def _reject(self, subscription: Subscription, delivery: Delivery, reason: str) -> None:
        await subscription.reject(delivery, reason)
        self._meter.job(delivery.job, "rejected", 0.0)
        log.error(
            "rejected",
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
        except Exception as error:  # a job has a fault, or the consumer has: which job?
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
                log.log(
                    INFO if result.error is None else ERROR,
                    "job",
                    jobId=result.job_id,
                    job=result.job,
                    outcome=result.outcome,
                    success=result.error is None,
                    processingTime=round(seconds * 1000, 3),
                    data={
                        "contentType": result.content_type,
                        "contentId": result.content_id,
                        "shareCount": result.share_count,
                    },
                    requestId=result.request_id,
                    **({} if result.error is None else {"error": result.error}),
                )

    def _measure(self, counts: Mapping[tuple[str, str], int], seconds: float) -> None:
        each = seconds / max(1, sum(counts.values()))
        for (job, outcome), count in counts.items():
            self._meter.job(job, outcome, each, count)


def _reason(error: Exception) -> str:
    """The reason as text that every database can store."""
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
