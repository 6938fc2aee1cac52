"""Chooses between traces and none, for `wiring.py`; OpenTelemetry is imported only where traces are asked for."""

from __future__ import annotations

from sharetally.adapters.tracing.traces import Traces, Untraced
from sharetally.domain.errors import Misconfigured


def open_traces(kind: str, *, role: str) -> Traces:
    """Traces as the setting TRACES says: `off`, `otlp` or `console`; `Misconfigured` without the packages for it."""
    if kind == "off":
        return Untraced()
    try:
        from sharetally.adapters.tracing.exporting import provider
        from sharetally.adapters.tracing.traced import Traced

        return Traced(provider(kind, role=role))
    except ModuleNotFoundError as error:
        raise Misconfigured(f"TRACES needs: pip install 'sharetally[otel]' ({error.name})") from error
