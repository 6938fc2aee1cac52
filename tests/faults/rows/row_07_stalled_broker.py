"""The connection to RabbitMQ becomes silent without a reset: first only the confirms are lost, then nothing is
transferred in either direction.

If a message was published without a confirm, nobody knows whether it arrived; it did, and is sent again. A process
that waits on a silent connection gives up after its time-outs and missing heartbeats.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.faults.private import AFTER, pending
from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.services.proxy import Way, open_proxy

SILENT = 45.0  # seconds; two time-outs of ten and three heartbeats of five fit in


async def perform(stage: Stage) -> None:
    shape = stage.shape()
    assert shape.broker is not None
    proxy = await stage.enter_async(open_proxy(shape.broker))
    async with stage.open(replace(shape, broker=proxy.url)) as system, stage.load():
        await asyncio.sleep(2.0)
        for number in range(stage.times(3)):
            proxy.stall(Way.TO_CLIENT, newcomers=False)
            await asyncio.sleep(12.0 + number)  # they have given up, and come over new connections
        proxy.stall()
        await asyncio.sleep(2.0 if stage.brief else SILENT)
        missed = await pending(system.database)
        assert missed, "everything was counted over a silent line"
        proxy.release()
        await asyncio.sleep(AFTER)
        stage.note(f"{missed} events were pending when the connection came back")


ROW = Row(number=7, title="confirms cut; the connection stalled without a reset", on=SERVERS, perform=perform)
