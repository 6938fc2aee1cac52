"""A worker stands still for two minutes (SIGSTOP), with whatever it had in hand, and then goes on.

RabbitMQ gives up on it after three silent heartbeats, and the other worker gets its messages; what it does with the
old ones when it wakes finds their events burned, or burns them first. It may stand still inside a transaction and hold
locks: then counting waits for it, and nothing else does.
"""

from __future__ import annotations

import asyncio
import signal

from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.oracle.tables import open_tables, waiting

STOPPED = 120.0  # seconds
LOAD = 40.0


async def perform(stage: Stage) -> None:
    stopped = 5.0 if stage.brief else STOPPED
    async with stage.open(stage.shape()) as system:
        worker = system.workers[0]
        async with stage.load(seconds=LOAD):
            await asyncio.sleep(2)
            worker.signal(signal.SIGSTOP)
            began = asyncio.get_running_loop().time()
        async with open_tables(system.database) as tables:
            await asyncio.sleep(began + stopped - asyncio.get_running_loop().time())
            pending = (await waiting(tables))[0]
        worker.signal(signal.SIGCONT)
        stage.note(f"stopped for {stopped:.0f} s; {pending} events waited when it went on")


ROW = Row(number=14, title="worker stopped for two minutes, then continued", on=SERVERS, perform=perform)
