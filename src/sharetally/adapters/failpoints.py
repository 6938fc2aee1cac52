"""Named points at which a process kills itself, for the fault suite: decorators over the ports.

`SHARETALLY_FAILPOINT=name:N` kills the process (SIGKILL) when it reaches that point for the Nth time; `name:N:stop`
stops it there (SIGSTOP) until somebody continues it. `wiring.py` adds the decorators only if the variable is set, so
without it they cost nothing. The variable is not a setting: `sharetally` does not document or check it, and nobody sets
it on a service with real users.

`ledger.before-commit`    everything is written, nothing is committed
`ledger.after-commit`     committed; nobody has been answered, nothing is published or acknowledged
`outbox.after-claim`      the relay has marked events as sent, but has not sent them
`broker.before-publish`   jobs are about to be published (a marker alone does not count)
`broker.after-confirm`    the broker has confirmed them, but the publisher does not know yet
`subscription.before-ack` the delivered jobs are processed, but not acknowledged

Those of posting are in `failpoints_posting.py`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sharetally.adapters.brokers.wrapped import WrappedBroker
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.events import SqlEventStore
from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Broker, Delivery, EventRef, Message, Subscription
from sharetally.ports.ledger import Transaction

_SYNTAX = re.compile(r"(?P<name>[a-z.-]+):(?P<occurrence>[1-9]\d*)(?P<stop>:stop)?", re.ASCII)
ENVIRONMENT_VARIABLE = "SHARETALLY_FAILPOINT"
FAILPOINT_NAMES = (
    "ledger.before-commit",
    "ledger.after-commit",
    "outbox.after-claim",
    "broker.before-publish",
    "broker.after-confirm",
    "subscription.before-ack",
    "posting.before-send",
    "posting.after-reply",
    "posting.before-settle",
    "posting.before-commit",
    "posting.after-commit",
    "refresh.before-request",
    "refresh.after-reply",
)


class Failpoint:
    """Kills or stops this process when it reaches the named point for the `occurrence`-th time."""

    def __init__(self, name: str, occurrence: int, on_reached: signal.Signals = signal.SIGKILL) -> None:
        self._name = name
        self._remaining = occurrence
        self._signal = on_reached

    def reached(self, name: str) -> None:
        """Report that the process is at this point."""
        if name != self._name:
            return
        self._remaining -= 1
        if self._remaining == 0:
            print(f"failpoint {name}: {self._signal.name}", file=sys.stderr, flush=True)  # noqa: T201
            os.kill(os.getpid(), self._signal)


def failpoint_from(environ: Mapping[str, str]) -> Failpoint | None:
    """The failpoint that the environment names, or None; `ConfigurationError` if the name is unknown."""
    value = environ.get(ENVIRONMENT_VARIABLE)
    if not value:
        return None
    match = _SYNTAX.fullmatch(value)
    if match is None or match["name"] not in FAILPOINT_NAMES:
        raise ConfigurationError(
            f"{ENVIRONMENT_VARIABLE}: must be NAME:N or NAME:N:stop, with N at least 1 and NAME one of "
            f"{', '.join(FAILPOINT_NAMES)}"
        )
    return Failpoint(match["name"], int(match["occurrence"]), signal.SIGSTOP if match["stop"] else signal.SIGKILL)


def with_failpoints(database: SqlDatabase, broker: Broker, environ: Mapping[str, str]) -> tuple[SqlDatabase, Broker]:
    """Return both with failpoints if the environment names one, and otherwise unchanged."""
    failpoint = failpoint_from(environ)
    if failpoint is None:
        return database, broker
    return FailingDatabase(database, failpoint), FailingBroker(broker, failpoint)


class FailingDatabase(SqlDatabase):
    """The same database, with the failpoints of transactions and claims."""

    def __init__(self, database: SqlDatabase, failpoint: Failpoint) -> None:
        super().__init__(database._engine)
        self._failpoint = failpoint
        self.events = _FailingEvents(database._engine, failpoint)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction, with a failpoint before and after its commit."""
        async with super().transaction() as tx:
            yield tx
            self._failpoint.reached("ledger.before-commit")
        self._failpoint.reached("ledger.after-commit")


class _FailingEvents(SqlEventStore):
    def __init__(self, engine: Engine, failpoint: Failpoint) -> None:
        super().__init__(engine)
        self._failpoint = failpoint

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventRef]:
        """Claim events, with a failpoint after it if any were claimed."""
        refs = await super().claim(jobs, sent_before, limit)
        if refs:
            self._failpoint.reached("outbox.after-claim")
        return refs


class FailingBroker(WrappedBroker):
    """The same broker, with the failpoints of publishing and acknowledging."""

    def __init__(self, broker: Broker, failpoint: Failpoint) -> None:
        super().__init__(broker)
        self._failpoint = failpoint

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, with a failpoint before and after it if any message contains jobs."""
        has_jobs = any(not message.job.startswith("mark.") for message in messages)
        if has_jobs:
            self._failpoint.reached("broker.before-publish")
        await self._broker.publish(messages)
        if has_jobs:
            self._failpoint.reached("broker.after-confirm")

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume, with a failpoint before each acknowledgement."""
        async with self._broker.subscribe(queue, prefetch=prefetch) as subscription:
            yield _FailingSubscription(subscription, self._failpoint)


class _FailingSubscription(Subscription):
    def __init__(self, subscription: Subscription, failpoint: Failpoint) -> None:
        self._subscription = subscription
        self._failpoint = failpoint

    async def next(self, at_most: int) -> list[Delivery]:
        return await self._subscription.next(at_most)

    async def ack(self, last: Delivery) -> None:
        self._failpoint.reached("subscription.before-ack")
        await self._subscription.ack(last)

    async def reject(self, delivery: Delivery, reason: str) -> None:
        await self._subscription.reject(delivery, reason)
