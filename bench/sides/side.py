"""What rows need from a running system: accept shares, report how many are not counted yet, count all of them.

A `sustained_rate` is that of requests that were accepted and, by the end, counted: requests by which the backlog grew
do not count.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Protocol

from bench.load.tokens import VIDEOS
from bench.load.wrk import wrk

PLATFORMS = 2  # of each request
TIMEOUT = 180.0  # seconds to count what is left


class Side(Protocol):
    """A running system."""

    @property
    def name(self) -> str:
        """What notes call it."""
        ...

    @property
    def port(self) -> int:
        """Where it listens."""
        ...

    @property
    def tokens(self) -> Path:
        """Tokens of its users, one a line."""
        ...

    async def backlog(self) -> int:
        """Shares that are accepted and not counted."""
        ...


async def accepted_rate(side: Side, seconds: int) -> float:
    """Requests a second, as fast as it takes them."""
    return (await wrk(side.port, "share", str(side.tokens), str(VIDEOS), seconds=seconds)).rate


async def sustained_rate(side: Side, seconds: int, notes: list[str]) -> float:
    """Requests a second that were accepted and counted; waits at the end until nothing is left."""
    before = await side.backlog()
    load = await wrk(side.port, "share", str(side.tokens), str(VIDEOS), seconds=seconds)
    after = await side.backlog()
    left = max(0, after - before)
    waited = await wait_until_drained(side)
    notes.append(
        f"{side.name}: {load.rate:,.0f} accepted/s for {load.seconds:.0f} s, backlog {before:,} -> {after:,} shares"
        + (f", all counted {waited:.1f} s later" if after else "")
    )
    return (load.answers - left / PLATFORMS) / load.seconds


async def wait_until_drained(side: Side) -> float:
    """Wait until all is counted; the seconds it took."""
    began = time.monotonic()
    while left := await side.backlog():
        assert time.monotonic() - began < TIMEOUT, f"{left} shares not counted within {TIMEOUT:.0f} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - began
