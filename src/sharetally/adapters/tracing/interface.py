"""How tracing wraps the parts of a role, and `NoTracing`, which leaves them as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

from starlette.types import ASGIApp, Scope

from sharetally.flow.committer import Committer
from sharetally.flow.worker import Consumer
from sharetally.ports import Broker, Ledger

T = TypeVar("T")
Route: TypeAlias = Callable[[Scope], str | None]
"""Returns the path template of the endpoint that serves a request, or None if no endpoint does."""


class Tracing(Protocol):
    """Wraps the parts of a role so that each of their operations is a span."""

    @property
    def committer(self) -> type[Committer]:
        """The class of committer to create; it must be given the ledger that `ledger` returns."""
        ...

    def http(self, app: ASGIApp, route: Route) -> ASGIApp:
        """Wrap the application: each request becomes a span."""
        ...

    def ledger(self, ledger: Ledger) -> Ledger:
        """Wrap the ledger: each transaction becomes a span."""
        ...

    def broker(self, broker: Broker) -> Broker:
        """Wrap the broker: each message becomes a span, whose context travels to the consumer."""
        ...

    def consumer(self, consumer: Consumer[T], broker: Broker) -> Consumer[T]:
        """Wrap a consumer of this broker: each batch becomes a span."""
        ...

    async def close(self) -> None:
        """Send the remaining spans within a few seconds; a repeated call does nothing."""
        ...


class NoTracing(Tracing):
    """Tracing that is off: it returns every part unchanged."""

    @property
    def committer(self) -> type[Committer]:
        """The committer without tracing."""
        return Committer

    def http(self, app: ASGIApp, route: Route) -> ASGIApp:
        """Return it unchanged."""
        return app

    def ledger(self, ledger: Ledger) -> Ledger:
        """Return it unchanged."""
        return ledger

    def broker(self, broker: Broker) -> Broker:
        """Return it unchanged."""
        return broker

    def consumer(self, consumer: Consumer[T], broker: Broker) -> Consumer[T]:
        """Return it unchanged."""
        return consumer

    async def close(self) -> None:
        """Do nothing."""
