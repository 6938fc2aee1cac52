"""Stand-ins for what a scrape asks: they answer, fail, or never answer."""

from __future__ import annotations

import asyncio
from typing import cast

from sharetally.domain.errors import Unavailable
from sharetally.ports import Backlog, Broker, Outbox, QueueState


class _FakeOutbox:
    """An outbox of which only `backlog` is there; counts how often it was asked."""

    def __init__(self, backlog: Backlog | None = None, *, hangs: bool = False) -> None:
        self.backlog_now = backlog
        self.hangs = hangs
        self.asked = 0

    async def backlog(self) -> Backlog:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)  # others may ask meanwhile
        if self.backlog_now is None:
            raise Unavailable("the database is away")
        return self.backlog_now


class _FakeBroker:
    """A broker of which only `state` is there; None for queues that it does not know."""

    def __init__(self, depths: dict[str, int]) -> None:
        self.depths = depths

    async def state(self, queue: str) -> QueueState | None:
        if queue not in self.depths:
            return None
        if self.depths[queue] < 0:
            raise ConnectionResetError
        return QueueState(depth=self.depths[queue], consumers=1)


class FakeOutbox(_FakeOutbox, Outbox if False else object):  # type: ignore[misc]
    pass


def fake_broker(**depths: int) -> Broker:
    return cast(Broker, _FakeBroker(depths))
