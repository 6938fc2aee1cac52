"""Traces: they follow one share from its request through the commit and the message to the count.

    http.py          a request            SERVER    child of the span in the caller's `traceparent`
    transactions.py  a transaction        INTERNAL  caused by every request whose command it contains
    messages.py      a message            PRODUCER  caused by every commit whose jobs it contains
    batches.py       a batch of a worker  CONSUMER  caused by every message in it

A transaction serves several requests, a message carries the jobs of several commits, and a batch contains several
messages; so a span has several causes, and `spans.py` defines what that means. `wiring.py` wraps the parts of the
service in tracing only if TRACES asks for it. Otherwise `NoTracing` returns each part unchanged, and OpenTelemetry is
not imported.
"""

from sharetally.adapters.tracing.interface import NoTracing, Route, Tracing
from sharetally.adapters.tracing.opening import open_tracing

__all__ = ["NoTracing", "Route", "Tracing", "open_tracing"]
