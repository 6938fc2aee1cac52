"""Tracing with OpenTelemetry: it wraps each part of a role in its spans."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TypeVar

from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp

from sharetally import __version__
from sharetally.adapters.tracing.batches import TracedConsumer
from sharetally.adapters.tracing.http import TracedHttp
from sharetally.adapters.tracing.interface import Route, Tracing
from sharetally.adapters.tracing.messages import TracedBroker, messaging_system
from sharetally.adapters.tracing.spans import EventOrigins, Spans
from sharetally.adapters.tracing.transactions import TracedCommitter, TracedLedger
from sharetally.flow.committer import Committer
from sharetally.flow.worker import Consumer
from sharetally.ports import Broker, Ledger

T = TypeVar("T")
SHUTDOWN_TIMEOUT_SECONDS = 5.0


class OpenTelemetryTracing(Tracing):
    """Creates spans with a provider of its own, which never becomes the global provider of the process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._spans = Spans(provider.get_tracer("sharetally", __version__))
        self._origins = EventOrigins()

    @property
    def committer(self) -> type[Committer]:
        """A committer that carries the span of each request into the transaction."""
        return TracedCommitter

    def http(self, app: ASGIApp, route: Route) -> ASGIApp:
        """Wrap the application: each request becomes a span."""
        return TracedHttp(app, spans=self._spans, route=route)

    def ledger(self, ledger: Ledger) -> Ledger:
        """Wrap the ledger: each transaction becomes a span."""
        return TracedLedger(ledger, spans=self._spans, origins=self._origins)

    def broker(self, broker: Broker) -> Broker:
        """Wrap the broker: each message becomes a span."""
        return TracedBroker(broker, spans=self._spans, origins=self._origins)

    def consumer(self, consumer: Consumer[T], broker: Broker) -> Consumer[T]:
        """Wrap the consumer: each batch becomes a span."""
        return TracedConsumer(consumer, spans=self._spans, messaging_system=messaging_system(broker))

    async def close(self) -> None:
        """Send the remaining spans; a dead collector delays the shutdown by a few seconds, and never the event loop."""
        shutdown = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        shutdown.start()
        await asyncio.to_thread(shutdown.join, SHUTDOWN_TIMEOUT_SECONDS)
