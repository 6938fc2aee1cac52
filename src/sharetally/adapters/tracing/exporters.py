"""Where spans go. OpenTelemetry's own variables decide all of it: collector, headers, sampling, limits, resource."""

from __future__ import annotations

import os

from opentelemetry.sdk.environment_variables import OTEL_SPAN_LINK_COUNT_LIMIT
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

from sharetally import __version__

# a commit carries up to 500 requests; OpenTelemetry would keep 128 of them
MAX_LINKS = 512


def create_provider(kind: str, *, role: str) -> TracerProvider:
    """A provider that sends to the OTLP collector, or prints; `role` is what this process does."""
    provider = provider_without_exporter(role=role)
    provider.add_span_processor(_processor(kind))
    return provider


def provider_without_exporter(*, role: str) -> TracerProvider:
    """A provider whose spans go nowhere yet."""
    own_attributes = {SERVICE_NAME: "sharetally", SERVICE_VERSION: __version__, "sharetally.role": role}
    limits = SpanLimits(max_links=None if OTEL_SPAN_LINK_COUNT_LIMIT in os.environ else MAX_LINKS)
    resource = Resource.create(own_attributes).merge(OTELResourceDetector().detect())  # what the environment says, wins
    return TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)


def _processor(kind: str) -> SpanProcessor:
    if kind == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter())
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter())
