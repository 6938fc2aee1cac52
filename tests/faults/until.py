"""Waiting for what must come true, and how long it took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

EVERY = 0.2  # seconds


async def until(what: str, holds: Callable[[], Awaitable[bool]], *, within: float) -> float:
    """Return once it holds, the seconds that it took; that it does not come true in time is a failure."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not await holds():
        assert clock() - began < within, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(EVERY)
    return clock() - began
