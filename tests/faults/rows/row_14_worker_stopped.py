"""Two workers stand still for two minutes (SIGSTOP), each with a batch in hand, then go on; a third works all along.

One stops inside its transaction, all written and nothing committed: it holds locks, until the database ends what is
idle so long; what was counted there is undone, and counted by somebody else. The other stops between its commit and
its acknowledgement. RabbitMQ gives up on both after silent heartbeats, and the third gets their messages; what they
try when they wake finds its connections gone and its events burned.
"""

from __future__ import annotations

import asyncio
import signal

from tests.faults.dying import armed, stands_still
from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.oracle.tables import open_tables, waiting

INSIDE, AFTER = "ledger.before-commit", "subscription.before-ack"
STOPPED = 120.0  # seconds
LOAD = 40.0


async def perform(stage: Stage) -> None:
    each = {**armed("worker-0", INSIDE, 10, ":stop"), **armed("worker-1", AFTER, 10, ":stop")}
    async with stage.open(stage.shape(workers=3, each=each)) as system, open_tables(system.database) as tables:
        stopped = system.workers[:2]
        async with stage.load(seconds=LOAD):
            await asyncio.gather(*map(stands_still, stopped))
            began = asyncio.get_running_loop().time()
        await asyncio.sleep(began + STOPPED - asyncio.get_running_loop().time())
        pending = (await waiting(tables))[0]
        for worker in stopped:
            worker.signal(signal.SIGCONT)
        async with stage.load(seconds=5):
            pass
        stage.note(f"two of three workers stood still for {STOPPED:.0f} s; {pending} events waited when they went on")


ROW = Row(number=14, title="worker stopped for two minutes, then continued", on=SERVERS, perform=perform)
