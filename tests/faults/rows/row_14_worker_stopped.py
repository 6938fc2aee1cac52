"""Two workers are stopped for two minutes (SIGSTOP), each in the middle of a batch, and then continue; a third one
works all the time.

One is stopped inside its transaction, when everything is written and nothing is committed. It holds locks until the
database ends the idle transaction; its work is rolled back, and another worker counts the events. The other is
stopped between its commit and its acknowledgement. RabbitMQ gives up on both after missing heartbeats, and the third
worker gets their messages. When the two continue, they find their connections closed and their events burned.
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
        stage.note(
            f"two of three workers were stopped for {STOPPED:.0f} s; {pending} events were pending when they continued"
        )


ROW = Row(number=14, title="two workers stopped for two minutes, then continued", on=SERVERS, perform=perform)
