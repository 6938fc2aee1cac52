"""How far the load of the newest system has come, by what its clients wrote down."""

from __future__ import annotations

import asyncio
from pathlib import Path

TIMEOUT = 120.0  # seconds


def count_responses(folder: Path, status: str = "") -> int:
    """Attempts that ended with this status, or all of them."""
    sign = f', "{status} '.encode() if status else b"\n"
    return sum(path.read_bytes().count(sign) for path in folder.glob("crew-*.jsonl"))


async def wait_for_responses(folder: Path, more: int, status: str = "") -> None:
    """Wait until so many more have."""
    wanted = count_responses(folder, status) + more
    async with asyncio.timeout(TIMEOUT):
        while count_responses(folder, status) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
