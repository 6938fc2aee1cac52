"""Spans with several causes, and what is remembered between a commit and its message.

A span is the child of the first of its causes that is sampled, so that a lone share is one trace from end to
end and a sampling decision holds all the way; and it has a link to every sampled cause, so that a share that
travelled with others is found from either side. Without any cause it begins a trace of its own.
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

MAX_REMEMBERED_EVENTS = 100_000  # events that are committed and not yet published, more than the publisher lets wait
Attributes = Mapping[str, str | int]


class Spans:
    """Starts spans and carries their context in headers, as W3C Trace Context says."""

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
        """A span of these causes; `started_ns` is when it began, nanoseconds, if not now."""
        distinct = {
            (span_context.trace_id, span_context.span_id): span_context
            for span_context in causes
            if span_context.is_valid
        }.values()
        sampled = [span_context for span_context in distinct if span_context.trace_flags.sampled]
        return self.tracer.start_span(
            name,
            _context_under(next(iter(sampled or distinct), None)),
            kind,
            attributes,
            links=[Link(span_context) for span_context in sampled],
            start_time=started_ns,
        )

    def headers(self, span: Span, others: Headers = ()) -> Headers:
        """`others` and the span's context."""
        carrier = dict(others)
        self._propagator.inject(carrier, set_span_in_context(span, Context()))
        return tuple(carrier.items())

    def context(self, headers: Headers) -> SpanContext:
        """What the headers say; what they hold that is no context is passed over."""
        context = self._propagator.extract(dict(headers), Context())
        return get_current_span(context).get_span_context()


def _context_under(parent: SpanContext | None) -> Context:
    return set_span_in_context(NonRecordingSpan(parent) if parent else INVALID_SPAN, Context())


def mark_failed(span: Span, error: BaseException) -> None:
    """Mark a span as failed; the text of a foreign error may hold data, so only its kind is told."""
    kind = type(error).__name__
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, error.detail if isinstance(error, SharetallyError) else kind))


class EventOrigins:
    """Which commit wrote an event, until its message is out; the oldest makes room."""

    def __init__(self) -> None:
        self._commits: OrderedDict[UUID, SpanContext] = OrderedDict()

    def remember(self, events: Iterable[UUID], commit: SpanContext) -> None:
        """These were written by this commit."""
        for event in events:
            self._commits[event] = commit
        while len(self._commits) > MAX_REMEMBERED_EVENTS:
            self._commits.popitem(last=False)

    def commits_of(self, events: Iterable[UUID]) -> list[SpanContext]:
        """The commits of these, as far as they are known here."""
        return [self._commits[event] for event in events if event in self._commits]

    def forget(self, events: Sequence[UUID]) -> None:
        """These are out."""
        for event in events:
            self._commits.pop(event, None)
