"""One attempt of a worker, which can be made to wait at a point, and go on or die there."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from sharetally.domain.delivery import Delivery

# Where an attempt can be stopped, in the order in which one passes them; the last two know that the byte has left.
POINTS = ("prepared", "looked", "stored", "in flight", "accepted")


@dataclass(kw_only=True, eq=False)
class RunningAttempt:
    """An attempt and the lease under which it runs; `at` is the point where it waits, empty while it runs."""

    worker: UUID
    delivery: Delivery
    post: UUID
    platform: str
    stop_at: str
    stale: bool = False
    at: str = ""
    passed: str = ""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[object] | None = None

    async def pass_point(self, name: str) -> None:
        """Wait here if this is where the attempt is to stop."""
        self.passed = name
        if name == self.stop_at and not self.go.is_set():
            self.at = name
            self.stopped.set()
            await self.go.wait()
            self.at = ""


CURRENT: ContextVar[RunningAttempt] = ContextVar("CURRENT")


async def pass_point(name: str) -> None:
    """What the fakes call: the running attempt passes a point."""
    await CURRENT.get().pass_point(name)
