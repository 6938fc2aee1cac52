"""The span of a worker's batch: CONSUMER, caused by every message whose jobs are in the batch.

A batch that is retried, and each half of a batch that is split, gets a span of its own with exactly the messages that
it contains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from opentelemetry.trace import SpanContext, SpanKind, use_span

from sharetally.adapters.tracing.spans import Spans, mark_failed
from sharetally.flow.worker import Consumer, JobResult, Outcomes
from sharetally.ports import Delivery, Queue

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class _SourceMessage:
    """The message that a job arrived in, and the span that sent it."""

    tag: int
    sender: SpanContext


class TracedConsumer(Generic[T]):
    """A consumer with traced batches. It relies on the worker decoding a whole batch before handling any of it."""

    def __init__(self, consumer: Consumer[T], *, spans: Spans, messaging_system: str) -> None:
        self._consumer = consumer
        self._spans = spans
        self._system = messaging_system
        self._sources: dict[int, _SourceMessage] = {}  # by the identity of the job, which the worker keeps alive
        self._handling = False

    @property
    def queue(self) -> Queue:
        """The queue of the wrapped consumer."""
        return self._consumer.queue

    def decode(self, delivery: Delivery) -> tuple[list[T], list[bytes]]:
        """Decode a message, and remember which message its jobs came from."""
        if self._handling:
            self._sources.clear()
            self._handling = False
        jobs, rest = self._consumer.decode(delivery)
        source = _SourceMessage(tag=delivery.tag, sender=self._spans.context(delivery.headers))
        self._sources.update((id(job), source) for job in jobs)
        return jobs, rest

    async def handle(self, jobs: Sequence[T]) -> Sequence[JobResult] | Outcomes:
        """Handle the jobs within one span."""
        self._handling = True
        sources = {source.tag: source for job in jobs if (source := self._sources.get(id(job)))}
        span = self._spans.start(
            f"process sharetally.{self.queue.name}",
            SpanKind.CONSUMER,
            causes=[source.sender for source in sources.values()],
            attributes={
                "messaging.system": self._system,
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": f"sharetally.{self.queue.name}",
                "messaging.batch.message_count": len(sources),
                "sharetally.jobs": len(jobs),
            },
        )
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                return await self._consumer.handle(jobs)
            except BaseException as error:
                mark_failed(span, error)
                raise

    async def park(self, job: T, reason: str) -> JobResult:
        """Park the job; the span of the failed batch shows the reason."""
        return await self._consumer.park(job, reason)
