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

from tests.faults.failpoints import failpoint_settings, wait_until_stopped
from tests.faults.harness import FaultHarness
from tests.faults.row import SERVERS, Row
from tests.oracle.tables import open_tables, pending_and_parked

INSIDE, AFTER = "ledger.before-commit", "subscription.before-ack"
STOPPED = 120.0  # seconds
LOAD = 40.0


async def perform(harness: FaultHarness) -> None:
    each = {**failpoint_settings("worker-0", INSIDE, 10, ":stop"), **failpoint_settings("worker-1", AFTER, 10, ":stop")}
    async with harness.open(harness.topology(workers=3, each=each)) as system, open_tables(system.database) as tables:
        stopped = system.workers[:2]
        async with harness.load(seconds=LOAD):
            await asyncio.gather(*map(wait_until_stopped, stopped))
            began = asyncio.get_running_loop().time()
        await asyncio.sleep(began + STOPPED - asyncio.get_running_loop().time())
        pending = (await pending_and_parked(tables))[0]
        for worker in stopped:
            worker.signal(signal.SIGCONT)
        async with harness.load(seconds=5):
            pass
        harness.note(
            f"two of three workers were stopped for {STOPPED:.0f} s; {pending} events were pending when they continued"
        )


ROW = Row(number=14, title="two workers stopped for two minutes, then continued", databases=SERVERS, perform=perform)
