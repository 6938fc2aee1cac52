"""How many messages lie in the queues: none in the working ones in the end, the rejected ones in their own."""

from __future__ import annotations

import asyncio
import time

import aio_pika
from aio_pika.abc import AbstractConnection

WORKING = ("count", "post", "in")
REJECTED = "rejected"


async def depths(url: str, max_seconds: float) -> dict[str, int]:
    """Queue -> messages, once the working ones are empty or patience has ended."""
    deadline = time.monotonic() + max_seconds
    async with await aio_pika.connect(url, timeout=10) as connection:
        while True:
            found = {name: await _depth(connection, name) for name in (*WORKING, REJECTED)}
            if not any(found[name] for name in WORKING) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.2)


async def _depth(connection: AbstractConnection, name: str) -> int:
    async with connection.channel() as channel:
        queue = await channel.get_queue(f"sharetally.{name}")
        return queue.declaration_result.message_count or 0
