"""Chooses between traces and none, for `wiring.py`; OpenTelemetry is imported only where traces are asked for."""

from __future__ import annotations

from sharetally.adapters.tracing.interface import NoTracing, Tracing
from sharetally.domain.errors import ConfigurationError


def open_tracing(kind: str, *, role: str) -> Tracing:
    """Traces as the setting TRACES says: `off`, `otlp` or `console`; `ConfigurationError` without the packages for it."""
    if kind == "off":
        return NoTracing()
    try:
        from sharetally.adapters.tracing.exporters import provider
        from sharetally.adapters.tracing.opentelemetry import OpenTelemetryTracing

        return OpenTelemetryTracing(provider(kind, role=role))
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"TRACES needs: pip install 'sharetally[otel]' ({error.name})") from error
