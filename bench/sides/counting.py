"""How fast shares are counted: their jobs are published, and time ends when the last one is in its count.

The worker is up and warm before, and what was written and not counted is there; the clock runs from the first
publish until nothing is pending.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.filling.pending import pending
from bench.load.publish import publish, publish_each
from bench.sides.ours import Ours
from bench.sides.usual import Usual
from sharetally.ports import EventHead

PATIENCE = 120.0  # seconds
LOOK = 0.02  # seconds between two looks, each at one row


async def ours_counted(side: Ours, *, shares: int, contents: int) -> tuple[float, Sequence[EventHead]]:
    """Shares a second on so many contents, and what they were; the events and records are written before."""
    heads = await pending(side.connection, shares=shares, contents=contents)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(publish(side.amqp, heads))
        await _until(lambda: side.counted(heads[-1].id))
        await _until(lambda: _none(side))
    return shares / (time.perf_counter() - began), heads


async def _none(side: Ours) -> bool:
    return not await side.backlog()


async def usual_counted(side: Usual, *, shares: int, content_id: str) -> float:
    """Shares of one content a second, one message each."""
    bodies = [side.job(content_id) for _ in range(shares)]
    expected = await side.count(content_id) + shares
    began = time.perf_counter()

    async def reached() -> bool:
        return await side.count(content_id) >= expected

    async with asyncio.TaskGroup() as group:
        group.create_task(publish_each(side.amqp, side.queue, bodies))
        await _until(reached)
    return shares / (time.perf_counter() - began)


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await done():
        assert time.monotonic() < deadline, f"not counted within {PATIENCE:.0f} s"
        await asyncio.sleep(LOOK)
