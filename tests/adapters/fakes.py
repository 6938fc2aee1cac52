"""Stand-ins for what a scrape reads: they answer, fail, or never answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from sharetally.adapters.metrics import PrometheusMeter
from sharetally.domain.errors import Unavailable
from sharetally.domain.spending import Budget, DaySpending, PlatformSpending
from sharetally.ports import Backlog, Broker, DeliveryBacklog, DeliveryStore, EventStore, Queue, QueueState


class FakeEventStore:
    """Has only a backlog: None fails like a database that is unavailable. Counts how often it was read."""

    def __init__(self, backlog: Backlog | None = None, *, hangs: bool = False) -> None:
        self.now = backlog
        self.hangs = hangs
        self.asked = 0

    async def backlog(self) -> Backlog:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)  # others may ask meanwhile
        if self.now is None:
            raise Unavailable("the database is away")
        return self.now


class FakeBroker:
    """Has only the depths of queues: None means unknown; a negative depth raises an error."""

    def __init__(self, **depths: int | None) -> None:
        self.depths = depths

    async def state(self, queue: str) -> QueueState | None:
        depth = self.depths[queue]
        if depth is None:
            return None
        if depth < 0:
            raise ConnectionResetError
        return QueueState(depth=depth, consumers=1)


class FakeDeliveries:
    """Has a backlog of deliveries only: None fails as a database that is away does."""

    def __init__(self, backlog: DeliveryBacklog | None = None) -> None:
        self.now = backlog

    async def backlog(self) -> DeliveryBacklog:
        if self.now is None:
            raise Unavailable("the database is away")
        return self.now


SPENDING = PlatformSpending(
    platform="twitter",
    budget=Budget(total=20_000_000, per_user=1_000_000),
    day=DaySpending(spent=3_415_000, unknown=200_000),
    renewed_at=datetime(2026, 12, 2, tzinfo=UTC),
)


class FakeSpending:
    """What posts have cost today: None fails as a database that is away does."""

    def __init__(self, now: Sequence[PlatformSpending] | None) -> None:
        self.now = now

    async def today(self) -> Sequence[PlatformSpending]:
        if self.now is None:
            raise Unavailable("the database is away")
        return self.now


async def scrape(
    meter: PrometheusMeter,
    events: FakeEventStore | None = None,
    broker: FakeBroker | None = None,
    deliveries: FakeDeliveries | None = None,
    spending: FakeSpending | None = None,
) -> str:
    """The text that a scrape gets."""
    broker = broker or FakeBroker()
    queues = [Queue(name=name, jobs=()) for name in broker.depths]
    store = cast(DeliveryStore, deliveries) if deliveries else None
    body, media_type = await meter.exposition(
        cast(EventStore, events or FakeEventStore()),
        cast(Broker, broker),
        queues,
        store,
        spending.today if spending else None,
    )
    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    return body.decode()
