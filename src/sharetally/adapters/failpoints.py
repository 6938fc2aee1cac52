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

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.errors import Misconfigured
from sharetally.ports import Broker, Delivery, EventHead, FeedMessage, Message, Queue, QueueState, Subscription
from sharetally.ports.ledger import Transaction

_FORM = re.compile(r"(?P<name>[a-z.-]+):(?P<number>[1-9]\d*)(?P<stop>:stop)?", re.ASCII)
VARIABLE = "SHARETALLY_FAILPOINT"
NAMES = (
    "ledger.before-commit",
    "ledger.after-commit",
    "outbox.after-claim",
    "broker.before-publish",
    "broker.after-confirm",
    "subscription.before-ack",
)


class Failpoint:
    """Kills this process, or stops it, when its place is reached for the `number`-th time."""

    def __init__(self, name: str, number: int, act: signal.Signals = signal.SIGKILL) -> None:
        self._name = name
        self._left = number
        self._act = act

    def reached(self, name: str) -> None:
        """Say where the process is."""
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            print(f"failpoint {name}: {self._act.name}", file=sys.stderr, flush=True)  # noqa: T201
            os.kill(os.getpid(), self._act)


def armed(environ: Mapping[str, str]) -> Failpoint | None:
    """The place that the environment names, if it does; `Misconfigured` if there is no such place."""
    value = environ.get(VARIABLE)
    if not value:
        return None
    found = _FORM.fullmatch(value)
    if found is None or found["name"] not in NAMES:
        raise Misconfigured(f"{VARIABLE}: must be NAME:N or NAME:N:stop, N from 1, NAME one of {', '.join(NAMES)}")
    return Failpoint(found["name"], int(found["number"]), signal.SIGSTOP if found["stop"] else signal.SIGKILL)


def placed(database: SqlDatabase, broker: Broker, environ: Mapping[str, str]) -> tuple[SqlDatabase, Broker]:
    """Both as they are, unless a place is armed."""
    point = armed(environ)
    return (database, broker) if point is None else (FailingDatabase(database, point), FailingBroker(broker, point))


class FailingDatabase(SqlDatabase):
    """The same database; its transactions and claims pass the places above."""

    def __init__(self, database: SqlDatabase, point: Failpoint) -> None:
        super().__init__(database._engine)
        self._point = point

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction, with a place on either side of its commit."""
        async with super().transaction() as tx:
            yield tx
            self._point.reached("ledger.before-commit")
        self._point.reached("ledger.after-commit")

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventHead]:
        """Claim; a place behind it if there was anything to claim."""
        heads = await super().claim(jobs, sent_before, limit)
        if heads:
            self._point.reached("outbox.after-claim")
        return heads


class FailingBroker(Broker):
    """The same broker; what is published and acknowledged passes the places above."""

    def __init__(self, broker: Broker, point: Failpoint) -> None:
        self._broker = broker
        self._point = point

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
            self._point.reached("broker.before-publish")
        await self._broker.publish(messages)
        if jobs:
            self._point.reached("broker.after-confirm")

    async def publish_feed(self, messages: Sequence[FeedMessage]) -> None:
        """Publish to the outside feed."""
        await self._broker.publish_feed(messages)

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[Subscription]:
        """Consume; a place before each acknowledgement."""
        async with self._broker.subscribe(queue, prefetch=prefetch) as subscription:
            yield _FailingSubscription(subscription, self._point)

    async def state(self, queue: str) -> QueueState | None:
        """As the broker says."""
        return await self._broker.state(queue)


class _FailingSubscription(Subscription):
    def __init__(self, subscription: Subscription, point: Failpoint) -> None:
        self._subscription = subscription
        self._point = point

    async def next(self, at_most: int) -> list[Delivery]:
        return await self._subscription.next(at_most)

    async def ack(self, last: Delivery) -> None:
        self._point.reached("subscription.before-ack")
        await self._subscription.ack(last)

    async def bury(self, delivery: Delivery, reason: str) -> None:
        await self._subscription.bury(delivery, reason)
