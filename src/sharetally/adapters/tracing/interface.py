"""What tracing puts around the parts, and the case that it is off: nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

from starlette.types import ASGIApp, Scope

from sharetally.flow.committer import Committer
from sharetally.flow.worker import Consumer
from sharetally.ports import Broker, Ledger

T = TypeVar("T")
Route: TypeAlias = Callable[[Scope], str | None]
"""The path of the endpoint that a request goes to, with its parameters' names; None where there is none."""


class Tracing(Protocol):
    """Puts spans around the parts of a role."""

    @property
    def committer(self) -> type[Committer]:
        """The kind of committer to make; it needs the ledger of `ledger`."""
        ...

    def http(self, app: ASGIApp, route: Route) -> ASGIApp:
        """The application, each request a span."""
        ...

    def ledger(self, ledger: Ledger) -> Ledger:
        """The ledger, each transaction a span."""
        ...

    def broker(self, broker: Broker) -> Broker:
        """The broker, each message a span that its consumer can go on from."""
        ...

    def consumer(self, consumer: Consumer[T], broker: Broker) -> Consumer[T]:
        """The consumer of what this broker carries, each batch a span."""
        ...

    async def close(self) -> None:
        """Send what is not sent yet, within a few seconds; repeating is fine."""
        ...


class NoTracing(Tracing):
    """Leaves everything as it is."""

    @property
    def committer(self) -> type[Committer]:
        """The plain one."""
        return Committer

    def http(self, app: ASGIApp, route: Route) -> ASGIApp:
        """The same."""
        return app

    def ledger(self, ledger: Ledger) -> Ledger:
        """The same."""
        return ledger

    def broker(self, broker: Broker) -> Broker:
        """The same."""
        return broker

    def consumer(self, consumer: Consumer[T], broker: Broker) -> Consumer[T]:
        """The same."""
        return consumer

    async def close(self) -> None:
        """Nothing to do."""
