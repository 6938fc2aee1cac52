"""One message through RabbitMQ, again and again: from before it is published until a consumer has it."""

from __future__ import annotations

import asyncio
import time

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

QUEUE = "bench.hop"
BODY = b"x" * 200


async def hops(url: str, *, messages: int, pause: float) -> list[float]:
    """Seconds each; persistent, through a quorum queue, one at a time with a pause between."""
    publishing, consuming = await aiormq.connect(url), await aiormq.connect(url)
    try:
        channel, listening = await publishing.channel(publisher_confirms=True), await consuming.channel()
        await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        clock, arrived = time.perf_counter, asyncio.Queue[float]()

        async def heard(message: DeliveredMessage) -> None:
            arrived.put_nowait(clock())
            await listening.basic_ack(message.delivery_tag or 0)

        await listening.basic_consume(QUEUE, heard)
        times = []
        for _ in range(messages):
            await asyncio.sleep(pause)
            began = clock()
            await channel.basic_publish(BODY, routing_key=QUEUE, properties=Basic.Properties(delivery_mode=2))
            times.append(await arrived.get() - began)
        return times
    finally:
        await publishing.close()
        await consuming.close()
