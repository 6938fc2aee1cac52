"""A message as a span: PRODUCER, caused by every commit whose jobs it holds; its context travels in the headers.

What the relay sends again was committed long ago, often elsewhere: such a message begins a trace. Markers
carry nobody's share and are not traced. A message of the feed is under the span of the batch that sends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from opentelemetry.trace import Span, SpanContext, SpanKind, get_current_span

from sharetally.adapters.tracing.spans import EventOrigins, Spans, mark_failed
from sharetally.domain.errors import MalformedMessage
from sharetally.flow.jobs import decode_refs
from sharetally.ports import Broker, FeedMessage, Message, Queue, QueueState, Subscription

M = TypeVar("M", Message, FeedMessage)
JOB_EXCHANGE = "sharetally"
FEED_EXCHANGE = "sharetally.events"


class TracedBroker(Broker):
    """The broker, its messages traced."""

    def __init__(self, broker: Broker, *, spans: Spans, origins: EventOrigins) -> None:
        self._broker = broker
        self._spans = spans
        self._origins = origins

    @property
    def volatile(self) -> bool:
        """As the broker says."""
        return self._broker.volatile

    @property
    def connected(self) -> bool:
        """As the broker says."""
        return self._broker.connected

    async def open(self, queues: Sequence[Queue]) -> None:
        """Open the broker."""
        await self._broker.open(queues)

    async def close(self) -> None:
        """Close the broker."""
        await self._broker.close()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, each message a span; one that could not be confirmed has failed."""
        ids = [_event_ids(message) for message in messages]
        with _end_spans([self._job_span(message, jobs) for message, jobs in zip(messages, ids, strict=True)]) as spans:
            sent = zip(messages, spans, strict=True)
            await self._broker.publish([self._with_context(message, span) for message, span in sent])
        self._origins.forget([each for jobs in ids for each in jobs])

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside, each message a span."""
        causes = [get_current_span().get_span_context()]
        with _end_spans([self._feed_span(message, causes) for message in messages]) as spans:
            sent = zip(messages, spans, strict=True)
            await self._broker.publish_feed([self._with_context(message, span) for message, span in sent])

    def subscribe(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[Subscription]:
        """Consume; what is done with it is traced by whoever does it."""
        return self._broker.subscribe(queue, prefetch=prefetch)

    async def state(self, queue: str) -> QueueState | None:
        """As the broker says."""
        return await self._broker.state(queue)

    def _with_context(self, message: M, span: Span | None) -> M:
        return message if span is None else replace(message, headers=self._spans.headers(span, message.headers))

    def _job_span(self, message: Message, jobs: Sequence[UUID]) -> Span | None:
        if message.job.startswith("mark."):
            return None
        attributes = self._attributes(JOB_EXCHANGE, message.job, message.body) | {"sharetally.jobs": len(jobs)}
        return self._start_span(JOB_EXCHANGE, message.job, self._origins.commits_of(jobs), attributes)

    def _feed_span(self, message: FeedMessage, causes: Sequence[SpanContext]) -> Span:
        attributes = self._attributes(FEED_EXCHANGE, message.job, message.body)
        attributes["messaging.message.id"] = message.message_id
        return self._start_span(FEED_EXCHANGE, message.job, causes, attributes)

    def _start_span(
        self, exchange: str, job: str, causes: Sequence[SpanContext], attributes: dict[str, str | int]
    ) -> Span:
        return self._spans.start(f"send {exchange}:{job}", SpanKind.PRODUCER, causes=causes, attributes=attributes)

    def _attributes(self, exchange: str, job: str, body: bytes) -> dict[str, str | int]:
        return {
            "messaging.system": messaging_system(self._broker),
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": f"{exchange}:{job}",
            "messaging.rabbitmq.destination.routing_key": job,
            "messaging.message.body.size": len(body),
        }


def messaging_system(broker: Broker) -> str:
    """What the conventions call the broker; for the one in memory they have no name."""
    return "memory" if broker.volatile else "rabbitmq"


def _event_ids(message: Message) -> list[UUID]:
    try:
        return [ref.id for ref in decode_refs(message)[0]]
    except MalformedMessage:  # a marker
        return []


@contextmanager
def _end_spans(spans: list[Span | None]) -> Iterator[list[Span | None]]:
    started = [span for span in spans if span is not None]
    try:
        yield spans
    except BaseException as error:
        for span in started:
            mark_failed(span, error)
        raise
    finally:
        for span in started:
            span.end()
