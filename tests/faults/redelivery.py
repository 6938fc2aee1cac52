"""All messages of a queue are taken out and sent again: many times each, in any order, and withdrawals first.

Nothing may consume in the meantime. A message holds many jobs, so each job is delivered as often.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage

from tests.oracle.system import System
from tests.oracle.tables import open_tables, pending_and_parked

TIMES = 5
AT_ONCE = 500
UNDOING_JOBS = "share_deleted"


@dataclass(frozen=True, kw_only=True)
class QueuedMessage:
    """A message: the job that all in it are, and its body."""

    job: str
    body: bytes

    @property
    def jobs(self) -> int:
        """How many are in it."""
        return len(json.loads(self.body))


async def redeliver_shuffled(system: System, *, seed: int, times: int = TIMES) -> list[QueuedMessage]:
    """Take every message, put back first all that take shares back, then everything so often, shuffled."""
    async with connect(system) as connection:
        pending = await _pending(system)
        taken = await _take(connection, pending)
        queued = [QueuedMessage(job=message.routing_key or "", body=message.body) for message in taken]
        await publish_all(connection, _shuffled(queued, seed, times))
        await taken[-1].channel.basic_ack(taken[-1].delivery_tag or 0, multiple=True)
    return queued


def _shuffled(queued: Sequence[QueuedMessage], seed: int, times: int) -> list[QueuedMessage]:
    deck = [message for message in queued for _ in range(times)]
    Random(seed).shuffle(deck)
    return [*(message for message in queued if message.job == UNDOING_JOBS), *deck]


@asynccontextmanager
async def connect(system: System) -> AsyncIterator[AbstractConnection]:
    """To the system's broker."""
    assert system.topology.broker is not None
    async with await aio_pika.connect(system.topology.broker, timeout=10) as connection:
        yield connection


async def publish_all(connection: AbstractConnection, queued: Sequence[QueuedMessage]) -> None:
    """Publish, as the service does."""
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange("sharetally")
    for start in range(0, len(queued), AT_ONCE):
        await asyncio.gather(*(_publish(exchange, message) for message in queued[start : start + AT_ONCE]))


async def _publish(exchange: AbstractExchange, message: QueuedMessage) -> None:
    await exchange.publish(aio_pika.Message(message.body, delivery_mode=2), message.job)


async def _pending(system: System) -> int:
    async with open_tables(system.database) as tables:
        return (await pending_and_parked(tables))[0]


async def _take(connection: AbstractConnection, jobs: int) -> list[AbstractIncomingMessage]:
    """All messages, unacknowledged, once they hold as many jobs as are pending."""
    channel = await connection.channel()
    queue = await channel.get_queue("sharetally.count")
    deadline, taken, found = time.monotonic() + 60, list[AbstractIncomingMessage](), 0
    while found < jobs:
        assert time.monotonic() < deadline, f"{found} of {jobs} jobs came"
        message = await queue.get(fail=False)
        if message is None:
            await asyncio.sleep(0.05)
        else:
            taken.append(message)
            found += len(json.loads(message.body))
    return taken
