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

from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.faults.until import until
from tests.oracle.tables import Tables, open_tables

WITHIN = 60.0  # seconds
STOLEN = 100  # messages at least
TIMES = 2


async def perform(stage: Stage) -> None:
    shape = stage.shape()
    assert shape.broker is not None
    assert shape.database is not None
    async with stage.open(shape), stage.load(), open_tables(shape.database) as tables:
        for _ in range(stage.times(TIMES)):
            lost = await stolen(shape.broker)
            assert await still_there(tables, lost), "what was thrown away had been counted before"
            seconds = await until("all are counted", partial(_counted, tables, lost), within=WITHIN)
            stage.note(f"{len(lost)} jobs thrown away, counted {seconds:.0f} s later")


async def stolen(broker: str) -> set[UUID]:
    """Consume beside the workers, acknowledge, and forget; return the ids of the jobs."""
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


async def still_there(tables: Tables, ids: Collection[UUID]) -> int:
    """How many of these events are not counted."""
    waits = {UUID(str(row[0])) for row in await tables.rows("SELECT id FROM events")}
    return len(waits & set(ids))


async def _counted(tables: Tables, ids: Collection[UUID]) -> bool:
    return not await still_there(tables, ids)


ROW = Row(
    number=21,
    title="messages thrown away by hand while the load never pauses: counted within a minute",
    on=SERVERS,
    perform=perform,
)
