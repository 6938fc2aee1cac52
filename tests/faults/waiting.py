"""Waiting for what must come true, and how long it took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.2  # seconds


async def wait_until(what: str, holds: Callable[[], Awaitable[bool]], *, max_seconds: float) -> float:
    """Return once it holds, the seconds that it took; that it does not come true in time is a failure."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not await holds():
        assert clock() - began < max_seconds, f"not within {max_seconds:.0f} s: {what}"
        await asyncio.sleep(POLL_SECONDS)
    return clock() - began
