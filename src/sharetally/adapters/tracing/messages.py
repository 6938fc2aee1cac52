"""The span of a message: PRODUCER, caused by every commit whose jobs it contains; its headers carry the context.

What the relay sends again was committed long ago and often by another process, so such a message begins a new trace.
Markers belong to no share and are not traced. A message of the feed is a child of the batch that sends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from opentelemetry.trace import Span, SpanContext, SpanKind, get_current_span

from sharetally.adapters.brokers.wrapped import WrappedBroker
from sharetally.adapters.tracing.spans import Attributes, EventOrigins, Spans, mark_failed
from sharetally.domain.errors import MalformedMessage
from sharetally.flow.jobs import decode_refs
from sharetally.ports import Broker, FeedMessage, Message

M = TypeVar("M", Message, FeedMessage)
JOB_EXCHANGE = "sharetally"
FEED_EXCHANGE = "sharetally.events"


class TracedBroker(WrappedBroker):
    """A broker with traced messages; `TracedConsumer` traces how they are handled."""

    def __init__(self, broker: Broker, *, spans: Spans, origins: EventOrigins) -> None:
        super().__init__(broker)
        self._spans = spans
        self._origins = origins

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, each message within a span, which is marked as failed if publishing fails."""
        spans: list[Span | None] = []
        published = list[UUID]()
        for message in messages:
            if message.job.startswith("mark."):
                spans.append(None)
                continue
            try:
                events = [ref.id for ref in decode_refs(message)[0]]
            except MalformedMessage:
                events = []
            published += events
            causes = self._origins.commits_of(events)
            spans.append(self._start_span(JOB_EXCHANGE, message, causes, {"sharetally.jobs": len(events)}))
        with _end_spans(spans):
            traced = zip(messages, spans, strict=True)
            await self._broker.publish([self._with_context(message, span) for message, span in traced])
        self._origins.forget(published)

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the feed, each message within a span."""
        causes = [get_current_span().get_span_context()]
        spans = [
            self._start_span(FEED_EXCHANGE, message, causes, {"messaging.message.id": message.message_id})
            for message in messages
        ]
        with _end_spans(spans):
            traced = zip(messages, spans, strict=True)
            await self._broker.publish_feed([self._with_context(message, span) for message, span in traced])

    def _with_context(self, message: M, span: Span | None) -> M:
        return message if span is None else replace(message, headers=self._spans.headers(span, message.headers))

    def _start_span(
        self, exchange: str, message: Message | FeedMessage, causes: Sequence[SpanContext], attributes: Attributes
    ) -> Span:
        return self._spans.start(
            f"send {exchange}:{message.job}",
            SpanKind.PRODUCER,
            causes=causes,
            attributes={
                "messaging.system": messaging_system(self._broker),
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": f"{exchange}:{message.job}",
                "messaging.rabbitmq.destination.routing_key": message.job,
                "messaging.message.body.size": len(message.body),
                **attributes,
            },
        )


def messaging_system(broker: Broker) -> str:
    """The name of the broker in OpenTelemetry's conventions, which have none for the broker in memory."""
    return "memory" if broker.volatile else "rabbitmq"


@contextmanager
def _end_spans(spans: Sequence[Span | None]) -> Iterator[None]:
    """End the spans when the block ends, and mark them as failed if it raises."""
    started = [span for span in spans if span is not None]
    try:
        yield
    except BaseException as error:
        for span in started:
            mark_failed(span, error)
        raise
    finally:
        for span in started:
            span.end()
