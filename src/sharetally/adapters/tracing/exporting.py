"""Where spans go. OpenTelemetry's own variables decide all of it: collector, headers, sampling, limits, resource."""

from __future__ import annotations

import os

from opentelemetry.sdk.environment_variables import OTEL_SPAN_LINK_COUNT_LIMIT
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

from sharetally import __version__

# a commit carries up to 500 requests; OpenTelemetry would keep 128 of them
LINKS = 512


def provider(kind: str, *, role: str) -> TracerProvider:
    """A provider that sends to the OTLP collector, or prints; `role` is what this process does."""
    made = unexported(role=role)
    made.add_span_processor(_processor(kind))
    return made


def unexported(*, role: str) -> TracerProvider:
    """A provider whose spans go nowhere yet."""
    ours = {SERVICE_NAME: "sharetally", SERVICE_VERSION: __version__, "sharetally.role": role}
    limits = SpanLimits(max_links=None if OTEL_SPAN_LINK_COUNT_LIMIT in os.environ else LINKS)
    resource = Resource.create(ours).merge(OTELResourceDetector().detect())  # what the environment says, wins
    return TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)


def _processor(kind: str) -> SpanProcessor:
    if kind == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter())
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter())
