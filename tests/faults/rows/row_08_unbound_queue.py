"""Somebody unbinds the queue, again and again: messages are returned to their publisher, but confirmed all the same.

A returned message counts as not published. The publisher restores the binding and sends the message again.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel

from tests.faults.harness import FaultHarness
from tests.faults.row import SERVERS, Row
from tests.faults.waiting import wait_until
from tests.services import evaluate
from tests.services.server import Server

TIMES = 8
EXCHANGE, QUEUE = "sharetally", "sharetally.count"


async def perform(harness: FaultHarness) -> None:
    topology, broker = harness.topology(), harness.services.broker
    assert topology.broker is not None
    assert broker is not None
    host = urlsplit(topology.broker).path.strip("/")
    async with harness.open(topology), harness.load(), await aio_pika.connect(topology.broker) as connection:
        keys = await bound(broker, host)
        assert keys, "nothing was bound"

        async def again() -> bool:
            return await bound(broker, host) == keys

        async with connection.channel() as channel:
            for _ in range(harness.rounds(TIMES)):
                await unbind(channel, keys)
                await wait_until("the queue is bound again", again, max_seconds=30.0)
        harness.note(f"{len(keys)} bindings removed {harness.rounds(TIMES)} times, and restored each time")


async def unbind(channel: AbstractChannel, keys: list[str]) -> None:
    queue = await channel.get_queue(QUEUE)
    for key in keys:
        await queue.unbind(EXCHANGE, key)


async def bound(broker: Server, host: str) -> list[str]:
    """The routing keys of the queue's bindings, as the broker knows them."""
    ends = ", ".join(_resource(host, *each) for each in (("exchange", EXCHANGE), ("queue", QUEUE)))
    expression = f"[element(3, B) || B <- rabbit_binding:list_for_source_and_destination({ends})]."
    return sorted(re.findall(r'<<"(.*?)">>', await asyncio.to_thread(evaluate, broker, expression)))


def _resource(host: str, kind: str, name: str) -> str:
    return f'rabbit_misc:r(<<"{host}">>, {kind}, <<"{name}">>)'


ROW = Row(
    number=8, title="the queue unbound: messages are returned", databases=SERVERS, perform=perform, brief="postgresql"
)
