"""Redis GET, one after another on one connection, by the client that Sharetally uses."""

from __future__ import annotations

import time

from redis.asyncio import Redis

ASKED = 5_000


async def redis_get(url: str, value: bytes) -> float:
    """GETs a second."""
    async with Redis.from_url(url) as client:
        await client.set("bench", value, ex=60)
        began = time.perf_counter()
        for _ in range(ASKED):
            await client.get("bench")
        return ASKED / (time.perf_counter() - began)
