"""Somebody takes messages out of the queue and throws them away while the load never pauses, so the depth of the
queue does not reveal it.

The markers of the queue do: if an event was sent before a marker that has come out, and its row still exists, its
message is lost. This takes at most a minute.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from functools import partial
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.faults.harness import FaultHarness
from tests.faults.row import SERVERS, Row
from tests.faults.waiting import wait_until
from tests.oracle.tables import Tables, open_tables

TIMEOUT = 60.0  # seconds
STOLEN = 100  # messages at least
TIMES = 2


async def perform(harness: FaultHarness) -> None:
    topology = harness.topology()
    assert topology.broker is not None
    assert topology.database is not None
    async with harness.open(topology), harness.load(), open_tables(topology.database) as tables:
        for _ in range(harness.rounds(TIMES)):
            lost = await steal_messages(topology.broker)
            assert await still_pending(tables, lost), "what was thrown away had been counted before"
            seconds = await wait_until("all are counted", partial(_counted, tables, lost), max_seconds=TIMEOUT)
            harness.note(f"{len(lost)} jobs thrown away, counted {seconds:.0f} s later")


async def steal_messages(broker: str) -> set[UUID]:
    """Consume next to the workers, acknowledge, and discard; return the ids of the jobs."""
    enough, taken = asyncio.Event(), list[AbstractIncomingMessage]()

    async def throw_away(message: AbstractIncomingMessage) -> None:
        taken.append(message)
        await message.ack()
        if len(taken) >= STOLEN:
            enough.set()

    async with await aio_pika.connect(broker, timeout=10) as connection, connection.channel() as channel:
        queue = await channel.get_queue("sharetally.count")
        await queue.consume(throw_away)
        async with asyncio.timeout(30.0):
            await enough.wait()
    return {UUID(job["jobId"]) for message in taken for job in _jobs(message)}


def _jobs(message: AbstractIncomingMessage) -> list[dict[str, str]]:
    return [] if (message.routing_key or "").startswith("mark.") else json.loads(message.body)


async def still_pending(tables: Tables, ids: Collection[UUID]) -> int:
    """How many of these events are not counted."""
    waits = {UUID(str(row[0])) for row in await tables.rows("SELECT id FROM events")}
    return len(waits & set(ids))


async def _counted(tables: Tables, ids: Collection[UUID]) -> bool:
    return not await still_pending(tables, ids)


ROW = Row(
    number=21,
    title="messages thrown away by hand while the load never pauses: counted within a minute",
    databases=SERVERS,
    perform=perform,
)
