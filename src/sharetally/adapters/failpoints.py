"""Named places at which a process kills itself, for the fault suite: decorators over the ports.

`SHARETALLY_FAILPOINT=name:N` kills the process (SIGKILL) when it reaches that place for the Nth time, and with
`name:N:stop` makes it stand still there (SIGSTOP) until somebody lets it go on. `wiring.py`
asks for the decorators, which are put on only if the variable is set: without it they cost nothing.
It is no setting: it stops no start, and whoever serves real users never sets it.

`ledger.before-commit`    all is written, nothing is committed
`ledger.after-commit`     committed; nobody was answered, nothing published or acknowledged
`outbox.after-claim`      a relay has stamped events as sent, and not sent them
`broker.before-publish`   jobs are about to be published (a marker alone does not count)
`broker.after-confirm`    the broker has confirmed them; nobody was told
`subscription.before-ack` what was delivered is done, and not acknowledged
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.events import SqlEventStore
from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Broker, Delivery, EventRef, FeedMessage, Message, Queue, QueueState, Subscription
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
)


class Failpoint:
    """Kills this process, or stops it, when its place is reached for the `occurrence`-th time."""

    def __init__(self, name: str, occurrence: int, on_reached: signal.Signals = signal.SIGKILL) -> None:
        self._name = name
        self._remaining = occurrence
        self._signal = on_reached

    def reached(self, name: str) -> None:
        """Say where the process is."""
        if name != self._name:
            return
        self._remaining -= 1
        if self._remaining == 0:
            print(f"failpoint {name}: {self._signal.name}", file=sys.stderr, flush=True)  # noqa: T201
            os.kill(os.getpid(), self._signal)


def failpoint_from(environ: Mapping[str, str]) -> Failpoint | None:
    """The place that the environment names, if it does; `ConfigurationError` if there is no such place."""
    value = environ.get(ENVIRONMENT_VARIABLE)
    if not value:
        return None
    match = _SYNTAX.fullmatch(value)
    if match is None or match["name"] not in FAILPOINT_NAMES:
        raise ConfigurationError(
            f"{ENVIRONMENT_VARIABLE}: must be NAME:N or NAME:N:stop, N from 1, NAME one of {', '.join(FAILPOINT_NAMES)}"
        )
    return Failpoint(match["name"], int(match["occurrence"]), signal.SIGSTOP if match["stop"] else signal.SIGKILL)


def with_failpoints(database: SqlDatabase, broker: Broker, environ: Mapping[str, str]) -> tuple[SqlDatabase, Broker]:
    """Both as they are, unless a place is armed."""
    failpoint = failpoint_from(environ)
    return (
        (database, broker)
        if failpoint is None
        else (FailingDatabase(database, failpoint), FailingBroker(broker, failpoint))
    )


class FailingDatabase(SqlDatabase):
    """The same database; its transactions and claims pass the places above."""

    def __init__(self, database: SqlDatabase, failpoint: Failpoint) -> None:
        super().__init__(database._engine)
        self._failpoint = failpoint
        self.events = _FailingEvents(database._engine, failpoint)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction, with a place on either side of its commit."""
        async with super().transaction() as tx:
            yield tx
            self._failpoint.reached("ledger.before-commit")
        self._failpoint.reached("ledger.after-commit")


class _FailingEvents(SqlEventStore):
    def __init__(self, engine: Engine, failpoint: Failpoint) -> None:
        super().__init__(engine)
        self._failpoint = failpoint

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventRef]:
        refs = await super().claim(jobs, sent_before, limit)
        if refs:
            self._failpoint.reached("outbox.after-claim")
        return refs


class FailingBroker(Broker):
    """The same broker; what is published and acknowledged passes the places above."""

    def __init__(self, broker: Broker, failpoint: Failpoint) -> None:
        self._broker = broker
        self._failpoint = failpoint

    @property
    def volatile(self) -> bool:
        """As the broker says."""
        return self._broker.volatile

    @property
    def connected(self) -> bool:
        """As the broker says."""
        return self._broker.connected

    async def open(self, queues: Sequence[Queue]) -> None:
        """Connect."""
        await self._broker.open(queues)

    async def close(self) -> None:
        """Leave."""
        await self._broker.close()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish; a place on either side if there is any job among the messages."""
        jobs = any(not message.job.startswith("mark.") for message in messages)
        if jobs:
            self._failpoint.reached("broker.before-publish")
        await self._broker.publish(messages)
        if jobs:
            self._failpoint.reached("broker.after-confirm")

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside feed."""
        await self._broker.publish_feed(messages)

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume; a place before each acknowledgement."""
        async with self._broker.subscribe(queue, prefetch=prefetch) as subscription:
            yield _FailingSubscription(subscription, self._failpoint)

    async def state(self, queue: str) -> QueueState | None:
        """As the broker says."""
        return await self._broker.state(queue)


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
