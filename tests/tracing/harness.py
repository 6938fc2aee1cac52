"""Roles in this process, each with traces of its own: what one knows of the other's spans came in a message.

`run_api` answers requests and publishes, `run_workers` counts what comes; `SpanRecorder` has the spans of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind

from sharetally.adapters.tracing.exporters import provider_without_exporter
from sharetally.adapters.tracing.opentelemetry import OpenTelemetryTracing
from sharetally.settings import Settings
from sharetally.wiring import Core, start_embedded_workers
from sharetally.wiring_http import http_app
from tests.web.api import Api, eventually

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = CALLER[:-2] + "00"


@dataclass(frozen=True)
class SpanRecorder:
    """The spans that have ended."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def traces(self, role: str) -> OpenTelemetryTracing:
        """The traces of one more process."""
        provider = provider_without_exporter(role=role)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return OpenTelemetryTracing(provider)

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of this name, in the order in which they ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    async def first(self, name: str, number: int = 1) -> list[ReadableSpan]:
        """Exactly so many of this name, once they have ended."""

        async def found() -> list[ReadableSpan]:
            spans = self.named(name)
            return spans if len(spans) >= number else []

        spans: list[ReadableSpan] = await eventually(found)
        assert len(spans) == number, [span.name for span in self.exporter.get_finished_spans()]
        return spans


def context(span: ReadableSpan) -> SpanContext:
    """The span's own."""
    found = span.get_span_context()
    assert found is not None
    return found


def span_ids(span: ReadableSpan) -> tuple[int, int]:
    """The span's trace and its own id."""
    return context(span).trace_id, context(span).span_id


def linked_ids(span: ReadableSpan) -> set[tuple[int, int]]:
    """What it links to."""
    return {(link.context.trace_id, link.context.span_id) for link in span.links}


def parent(span: ReadableSpan) -> tuple[int, int] | None:
    """What it is under."""
    return (span.parent.trace_id, span.parent.span_id) if span.parent else None


def attributes_under(span: ReadableSpan, prefix: str) -> dict[str, object]:
    """Its attributes whose names begin so."""
    return {name: value for name, value in (span.attributes or {}).items() if name.startswith(prefix)}


def kinds(spans: Sequence[ReadableSpan]) -> list[SpanKind]:
    """Their kinds."""
    return [span.kind for span in spans]


@asynccontextmanager
async def run_api(settings: Settings, spans: SpanRecorder) -> AsyncIterator[Api]:
    """The API, with what a `memory:` broker has inside."""
    async with Core(settings, role="serve", traces=spans.traces("serve")) as core:
        end = start_embedded_workers(core)
        try:
            yield Api(core, http_app(core))
        finally:
            await end()


@asynccontextmanager
async def run_workers(settings: Settings, spans: SpanRecorder) -> AsyncIterator[Core]:
    """Every worker."""
    stop = asyncio.Event()
    async with Core(settings, role="worker", traces=spans.traces("worker")) as core:
        workers = [core.start(core.worker(each).run(stop), each.queue.name) for each in core.consumers]
        try:
            yield core
        finally:
            stop.set()
            await asyncio.wait(workers)
