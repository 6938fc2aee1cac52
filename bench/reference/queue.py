"""Raw RabbitMQ: so many jobs through a quorum queue, one message each, and nothing done with them.

As an expert would: persistent, publisher confirms awaited for a thousand at a time, on a connection of its
own; consumed with a prefetch of 2,000 and acknowledged many at once. aiormq, the client Sharetally uses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiormq
import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage

from bench.load.publish import confirmed
from sharetally.ports import EventRef

QUEUE = "bench.raw"
PREFETCH = 2_000
ACKED = 500


async def published_and_consumed(url: str, heads: Sequence[EventRef]) -> float:
    """Jobs a second, from the first publish to the last acknowledgement."""
    bodies = [
        msgspec.json.encode({"jobId": head.id, "contentType": "video", "contentId": head.content.id}) for head in heads
    ]
    publishing, consuming = await aiormq.connect(url), await aiormq.connect(url)
    try:
        return len(bodies) / await _seconds(publishing, consuming, bodies)
    finally:
        await publishing.close()
        await consuming.close()


async def _seconds(publishing: aiormq.Connection, consuming: aiormq.Connection, bodies: Sequence[bytes]) -> float:
    out = await publishing.channel(publisher_confirms=True)
    into = await consuming.channel()
    await out.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    taking = _CountingConsumer(into, len(bodies))
    await into.basic_qos(prefetch_count=PREFETCH)
    tag = await into.basic_consume(QUEUE, taking.take)
    began = time.perf_counter()
    await confirmed(out, QUEUE, bodies)
    await taking.all
    seconds = time.perf_counter() - began
    await into.basic_cancel(tag.consumer_tag or "")
    return seconds


class _CountingConsumer:
    """Acknowledges every so many at once, and knows when all have come."""

    def __init__(self, channel: AbstractChannel, expected: int) -> None:
        self._channel = channel
        self._left = expected
        self.all: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(self, message: DeliveredMessage) -> None:
        """One message."""
        self._left -= 1
        if self._left % ACKED == 0:
            await self._channel.basic_ack(message.delivery_tag or 0, multiple=True)
        if not self._left:
            self.all.set_result(None)
