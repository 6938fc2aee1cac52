"""Opens the tracing that the settings name, for `wiring.py`; OpenTelemetry is imported only if it is needed."""

from __future__ import annotations

from sharetally.adapters.tracing.interface import NoTracing, Tracing
from sharetally.domain.errors import ConfigurationError


def open_tracing(kind: str, *, role: str) -> Tracing:
    """Open the tracing that TRACES names: `off`, `otlp` or `console`; `ConfigurationError` if packages are missing."""
    if kind == "off":
        return NoTracing()
    try:
        from sharetally.adapters.tracing.exporters import create_provider
        from sharetally.adapters.tracing.opentelemetry import OpenTelemetryTracing

        return OpenTelemetryTracing(create_provider(kind, role=role))
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"TRACES needs: pip install 'sharetally[otel]' ({error.name})") from error
