"""The connection to RabbitMQ becomes silent without a reset: first only the confirms are lost, then nothing is
transferred in either direction.

If a message was published without a confirm, nobody knows whether it arrived; it did, and is sent again. A process
that waits on a silent connection gives up after its time-outs and missing heartbeats.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.faults.harness import FaultHarness
from tests.faults.private_servers import RECOVERY_LOAD_SECONDS, count_pending
from tests.faults.row import SERVERS, Row
from tests.services.proxy import Direction, open_proxy

SILENT = 45.0  # seconds; two time-outs of ten and three heartbeats of five fit in


async def perform(harness: FaultHarness) -> None:
    topology = harness.topology()
    assert topology.broker is not None
    proxy = await harness.enter_async(open_proxy(topology.broker))
    async with harness.open(replace(topology, broker=proxy.url)) as system, harness.load():
        await asyncio.sleep(2.0)
        for number in range(harness.rounds(3)):
            proxy.stall(Direction.TO_CLIENT, new_connections=False)
            await asyncio.sleep(12.0 + number)  # they have given up, and come over new connections
        proxy.stall()
        await asyncio.sleep(2.0 if harness.brief else SILENT)
        missed = await count_pending(system.database)
        assert missed, "everything was counted over a silent line"
        proxy.release()
        await asyncio.sleep(RECOVERY_LOAD_SECONDS)
        harness.note(f"{missed} events were pending when the connection came back")


ROW = Row(number=7, title="confirms cut; the connection stalled without a reset", databases=SERVERS, perform=perform)
