"""Tracing that is on: each part in its spans."""

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
    """Spans by this provider, which belongs to us: it is never made the process's own."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._spans = Spans(provider.get_tracer("sharetally", __version__))
        self._origins = EventOrigins()

    @property
    def committer(self) -> type[Committer]:
        """One that carries each request's span into the transaction."""
        return TracedCommitter

    def http(self, app: ASGIApp, route: Route) -> ASGIApp:
        """Each request a span."""
        return TracedHttp(app, spans=self._spans, route=route)

    def ledger(self, ledger: Ledger) -> Ledger:
        """Each transaction a span."""
        return TracedLedger(ledger, spans=self._spans, origins=self._origins)

    def broker(self, broker: Broker) -> Broker:
        """Each message a span."""
        return TracedBroker(broker, spans=self._spans, origins=self._origins)

    def consumer(self, consumer: Consumer[T], broker: Broker) -> Consumer[T]:
        """Each batch a span."""
        return TracedConsumer(consumer, spans=self._spans, messaging_system=messaging_system(broker))

    async def close(self) -> None:
        """Send the rest. A collector that does not answer may not hold up the end, nor the loop meanwhile."""
        shutdown = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        shutdown.start()
        await asyncio.to_thread(shutdown.join, SHUTDOWN_TIMEOUT_SECONDS)
