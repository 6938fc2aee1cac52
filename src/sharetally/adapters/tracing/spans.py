"""Spans with several causes, and the memory that connects a commit with its message.

A span is a child of its first sampled cause, so that a lone share is one trace from end to end and the decision whether
to sample it holds all the way. It links to every sampled cause, so that a share that was processed with others can be
found from either side. A span without causes begins a trace of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sharetally.domain.errors import SharetallyError
from sharetally.ports import Headers

MAX_REMEMBERED_EVENTS = 100_000  # committed but unpublished; more than the publisher allows to wait
Attributes = Mapping[str, str | int]


class Spans:
    """Starts spans, and carries their context in headers as W3C Trace Context defines."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def start(
        self,
        name: str,
        kind: SpanKind,
        *,
        causes: Iterable[SpanContext],
        attributes: Attributes,
        started_ns: int | None = None,
    ) -> Span:
        """Start a span with these causes; `started_ns` is its start in nanoseconds since the epoch, by default now."""
        distinct = {
            (span_context.trace_id, span_context.span_id): span_context
            for span_context in causes
            if span_context.is_valid
        }.values()
        sampled = [span_context for span_context in distinct if span_context.trace_flags.sampled]
        parent = next(iter(sampled or distinct), None)
        return self.tracer.start_span(
            name,
            set_span_in_context(NonRecordingSpan(parent) if parent else INVALID_SPAN, Context()),
            kind,
            attributes,
            links=[Link(span_context) for span_context in sampled],
            start_time=started_ns,
        )

    def headers(self, span: Span, others: Headers = ()) -> Headers:
        """Return `others` and the headers that carry the context of the span."""
        carrier = dict(others)
        self._propagator.inject(carrier, set_span_in_context(span, Context()))
        return tuple(carrier.items())

    def context(self, headers: Headers) -> SpanContext:
        """Return the context in the headers; an invalid one is ignored."""
        context = self._propagator.extract(dict(headers), Context())
        return get_current_span(context).get_span_context()


def mark_failed(span: Span, error: BaseException) -> None:
    """Mark a span as failed; of an error that is not ours only the class is recorded, as its text may contain data."""
    kind = type(error).__name__
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, error.detail if isinstance(error, SharetallyError) else kind))


class EventOrigins:
    """Remembers which commit wrote an event until its message is published; the oldest events are dropped first."""

    def __init__(self) -> None:
        self._commits: OrderedDict[UUID, SpanContext] = OrderedDict()

    def remember(self, events: Iterable[UUID], commit: SpanContext) -> None:
        """Remember that this commit wrote these events."""
        for event in events:
            self._commits[event] = commit
        while len(self._commits) > MAX_REMEMBERED_EVENTS:
            self._commits.popitem(last=False)

    def commits_of(self, events: Iterable[UUID]) -> list[SpanContext]:
        """Return the commits that wrote these events, where they are remembered."""
        return [self._commits[event] for event in events if event in self._commits]

    def forget(self, events: Sequence[UUID]) -> None:
        """Forget these events: their messages are published."""
        for event in events:
            self._commits.pop(event, None)
