"""Traces: one share followed from its request through the commit and the message to the count.

    http.py        a request                  SERVER    child of what the caller's `traceparent` says
    committing.py  a transaction              INTERNAL  caused by every request whose wish it carries
    sending.py     a message                  PRODUCER  caused by every commit whose jobs it holds
    working.py     a batch of a worker        CONSUMER  caused by every message in it

Requests share a transaction, commits share a message, messages share a batch: so a span has several causes,
and `spans.py` says what that means. All of this is put around the parts by `wiring.py`, and only when TRACES
asks for it: otherwise there is `NoTracing`, which gives each part back as it is, and OpenTelemetry is not imported.
"""

from sharetally.adapters.tracing.interface import NoTracing, Route, Tracing
from sharetally.adapters.tracing.opening import open_tracing

__all__ = ["NoTracing", "Route", "Tracing", "open_tracing"]
