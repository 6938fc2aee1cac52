"""The database is killed with SIGKILL under load and started again with what is on its disk, several times.

Clients get a 503 in the meantime. Every write that was answered before is there, a write that was not answered may be
there, and nothing is there in part. On SQLite, the database dies together with the serving process.
"""

from __future__ import annotations

import asyncio

from tests.faults.private import AFTER, private_database
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.oracle.system import System

TIMES = 4
BETWEEN = 6.0  # seconds under load
AWAY = 2.0


async def perform(stage: Stage) -> None:
    times = stage.times(TIMES)
    await (_embedded if stage.database == "sqlite" else _server)(stage, times)
    stage.note(f"killed {times} times")


async def _embedded(stage: Stage, times: int) -> None:
    stage.allow("NotSent", "NoAnswer")
    async with stage.open(stage.shape()) as system, stage.load():
        for _ in range(times):
            await asyncio.sleep(BETWEEN)
            async with stage.blind():
                await system.serve.kill()
                await asyncio.sleep(AWAY)
                await system.start(system.serve)
    assert stage.promises.tally.outcomes["NotSent"], "nobody noticed that it was away"


async def _server(stage: Stage, times: int) -> None:
    stage.allow("503")
    database = await private_database(stage)
    async with stage.open(stage.shape(database=database.url, cache=True)) as system, stage.load():
        for _ in range(times):
            await asyncio.sleep(BETWEEN)
            async with stage.blind():
                await database.kill()
                await asyncio.sleep(AWAY)
                await database.start()
            await _serves(system)
        await asyncio.sleep(AFTER)
    assert stage.promises.tally.outcomes["503"], "nobody noticed that it was away"


async def _serves(system: System) -> None:
    """Nobody had to be started again: each comes back by itself."""
    await asyncio.gather(*(role.ready() for role in system.roles))


ROW = Row(number=11, title="database killed with SIGKILL and restarted, under load", on=ALL, perform=perform)
