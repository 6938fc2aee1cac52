"""Publishing events to be counted: Sharetally publishes one commit at a time, the others one message at a time.

`JOBS` is what a commit holds under full load (some fifty requests of two platforms); commits that wait while
one is being confirmed go together, as they do in the service. One by one, a thousand confirms are awaited at
a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiormq
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.flow.counting.count import Count
from sharetally.flow.jobs import to_messages
from sharetally.ports import EventRef

JOBS = 100
AT_ONCE = 10  # commits
CONFIRMED = 1_000  # single messages


async def publish(url: str, heads: Sequence[EventRef]) -> None:
    """Publish as Sharetally does; all are confirmed."""
    broker = AmqpBroker(url, feed=False, step_timeout=60.0)
    await broker.open([Count.queue])
    try:
        commits = [heads[start : start + JOBS] for start in range(0, len(heads), JOBS)]
        for start in range(0, len(commits), AT_ONCE):
            await broker.publish(
                [message for commit in commits[start : start + AT_ONCE] for message in to_messages(commit)]
            )
    finally:
        await broker.close()


async def publish_each(url: str, queue: str, bodies: Sequence[bytes]) -> None:
    """Publish one message for each; all are confirmed."""
    connection = await aiormq.connect(url)
    try:
        await confirmed(await connection.channel(publisher_confirms=True), queue, bodies)
    finally:
        await connection.close()


async def confirmed(channel: AbstractChannel, queue: str, bodies: Sequence[bytes]) -> None:
    """Publish persistent messages on a channel with confirms."""
    for start in range(0, len(bodies), CONFIRMED):
        await asyncio.gather(*(_one(channel, queue, body) for body in bodies[start : start + CONFIRMED]))


async def _one(channel: AbstractChannel, queue: str, body: bytes) -> None:
    properties = Basic.Properties(delivery_mode=2, content_type="application/json")
    await channel.basic_publish(body, routing_key=queue, properties=properties)
