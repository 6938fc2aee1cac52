"""The destination of spans: the OTLP collector or the console.

OpenTelemetry's own environment variables configure everything else: collector, headers, sampling, limits and resource.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.environment_variables import OTEL_SPAN_LINK_COUNT_LIMIT
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

from sharetally import __version__

# a commit serves up to 500 requests, but by default OpenTelemetry keeps only 128 links
MAX_LINKS = 512


def create_provider(kind: str, *, role: str) -> TracerProvider:
    """A provider that sends spans to the OTLP collector or, with `console`, prints them; `role` is the process's."""
    provider = provider_without_exporter(role=role)
    if kind == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def provider_without_exporter(*, role: str) -> TracerProvider:
    """A provider that does not send its spans anywhere yet."""
    own_attributes = {SERVICE_NAME: "sharetally", SERVICE_VERSION: __version__, "sharetally.role": role}
    limits = SpanLimits(max_links=None if OTEL_SPAN_LINK_COUNT_LIMIT in os.environ else MAX_LINKS)
    # the environment takes precedence over our own attributes
    resource = Resource.create(own_attributes).merge(OTELResourceDetector().detect())
    return TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
