"""The database is killed with SIGKILL under load and started again from its disk, several times.

Clients get a 503 in the meantime. Every write that was answered before is there, a write that was not answered may be
there, and nothing is there in part. On SQLite, the database dies together with the serving process.
"""

from __future__ import annotations

import asyncio

from tests.faults.harness import FaultHarness
from tests.faults.private_servers import RECOVERY_LOAD_SECONDS, private_database
from tests.faults.row import ALL, Row
from tests.oracle.system import System

TIMES = 4
LOAD_BETWEEN_SECONDS = 6.0  # seconds under load
OUTAGE_SECONDS = 2.0


async def perform(harness: FaultHarness) -> None:
    times = harness.rounds(TIMES)
    await (_embedded if harness.database == "sqlite" else _server)(harness, times)
    harness.note(f"killed {times} times")


async def _embedded(harness: FaultHarness, times: int) -> None:
    harness.allow("NotSent", "NoResponse")
    async with harness.open(harness.topology()) as system, harness.load():
        for _ in range(times):
            await asyncio.sleep(LOAD_BETWEEN_SECONDS)
            async with harness.pause_verification():
                await system.serve.kill()
                await asyncio.sleep(OUTAGE_SECONDS)
                await system.start(system.serve)
    assert harness.promises.tally.outcomes["NotSent"], "nobody noticed that it was away"


async def _server(harness: FaultHarness, times: int) -> None:
    harness.allow("503")
    database = await private_database(harness)
    async with harness.open(harness.topology(database=database.url, cache=True)) as system, harness.load():
        for _ in range(times):
            await asyncio.sleep(LOAD_BETWEEN_SECONDS)
            async with harness.pause_verification():
                await database.kill()
                await asyncio.sleep(OUTAGE_SECONDS)
                await database.start()
            await _serves(system)
        await asyncio.sleep(RECOVERY_LOAD_SECONDS)
    assert harness.promises.tally.outcomes["503"], "nobody noticed that it was away"


async def _serves(system: System) -> None:
    """Nothing had to be restarted: each role recovers by itself."""
    await asyncio.gather(*(role.ready() for role in system.roles))


ROW = Row(number=11, title="database killed with SIGKILL and restarted, under load", databases=ALL, perform=perform)
