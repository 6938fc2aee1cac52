"""Chooses between traces and none, for `wiring.py`; OpenTelemetry is imported only where traces are asked for."""

from __future__ import annotations

from sharetally.adapters.tracing.interface import NoTracing, Tracing
from sharetally.domain.errors import ConfigurationError


def open_tracing(kind: str, *, role: str) -> Tracing:
    """Return the traces that the setting TRACES names; `ConfigurationError` if their packages are missing."""
    if kind == "off":
        return NoTracing()
    try:
        from sharetally.adapters.tracing.exporters import create_provider
        from sharetally.adapters.tracing.opentelemetry import OpenTelemetryTracing

        return OpenTelemetryTracing(create_provider(kind, role=role))
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"TRACES needs: pip install 'sharetally[otel]' ({error.name})") from error
