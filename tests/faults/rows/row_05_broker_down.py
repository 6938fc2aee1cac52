"""RabbitMQ stops under load for a minute. Then it stops again, and when it comes back, its queues are gone together
with their messages.

Clients that share notice nothing: not a single answer differs. Events that could not be published are sent by the
relay. Messages that were in the deleted queues are sent again too, because their markers never come out and their
rows still exist.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aio_pika

from tests.faults.harness import FaultHarness
from tests.faults.private_servers import RECOVERY_LOAD_SECONDS, PrivateServer, count_pending, private_broker
from tests.faults.row import SERVERS, Row
from tests.services.proxy import open_proxy

OUTAGE_SECONDS = 60.0  # seconds
SECOND_OUTAGE_SECONDS = 15.0
QUEUES = ("count", "post", "in", "rejected")


async def perform(harness: FaultHarness) -> None:
    broker = private_broker(harness)
    topology = harness.topology(broker=broker.url, cache=True)
    proxy = await harness.enter_async(open_proxy(broker.url))
    async with harness.open(replace(topology, broker=proxy.url)) as system, harness.load():
        await broker.stop()
        await asyncio.sleep(2.0 if harness.brief else OUTAGE_SECONDS)
        missed = await count_pending(system.database)
        assert missed, "nothing was shared while it was away"
        await broker.start()
        await asyncio.sleep(5.0)
        await proxy.cut()
        await broker.stop()
        await asyncio.sleep(2.0 if harness.brief else SECOND_OUTAGE_SECONDS)
        await broker.start()
        lost = await delete_queues(broker)
        await proxy.restore()
        await asyncio.sleep(RECOVERY_LOAD_SECONDS)
        harness.note(
            f"{missed} events were pending after a minute; {lost} messages were in the queues that were deleted"
        )


async def delete_queues(broker: PrivateServer) -> int:
    """Delete every queue; return how many messages were in them."""
    messages = 0
    async with await aio_pika.connect(broker.url, timeout=10) as connection, connection.channel() as channel:
        for name in QUEUES:
            queue = await channel.get_queue(f"sharetally.{name}")
            messages += queue.declaration_result.message_count or 0
            await queue.delete(if_unused=False, if_empty=False)
    return messages


ROW = Row(
    number=5,
    title="RabbitMQ stopped for a minute, restarted; again, and its queues deleted while it was down",
    databases=SERVERS,
    perform=perform,
)
