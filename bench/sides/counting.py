"""How fast shares are counted: their jobs are published, and time ends when the last one is in its count.

The worker is up and warm before, and what was written and not counted is there; the clock runs from the first
publish until nothing is pending.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.filling.pending import insert_pending
from bench.load.publish import publish, publish_each
from bench.sides.sharetally_side import SharetallySide
from bench.sides.usual_side import UsualSide
from sharetally.ports import EventRef

TIMEOUT = 120.0  # seconds
LOOK = 0.02  # seconds between two looks, each at one row


async def sharetally_count_rate(
    side: SharetallySide, *, shares: int, contents: int
) -> tuple[float, Sequence[EventRef]]:
    """Shares counted per second on so many content items, and their events, which are written beforehand."""
    heads = await insert_pending(side.connection, shares=shares, contents=contents)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(publish(side.amqp, heads))
        await _until(lambda: side.counted(heads[-1].id))
        await _until(lambda: _none(side))
    return shares / (time.perf_counter() - began), heads


async def _none(side: SharetallySide) -> bool:
    return not await side.backlog()


async def usual_count_rate(side: UsualSide, *, shares: int, content_id: str) -> float:
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
    deadline = time.monotonic() + TIMEOUT
    while not await done():
        assert time.monotonic() < deadline, f"not counted within {TIMEOUT:.0f} s"
        await asyncio.sleep(LOOK)
