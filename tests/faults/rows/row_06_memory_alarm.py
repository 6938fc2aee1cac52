"""RabbitMQ's memory alarm is on: it accepts no messages, and reports this only to publishers. Consuming continues.

The publishers notice it and wait; clients that share do not wait. After the alarm, the relay sends what was not
published in the meantime.
"""

from __future__ import annotations

import asyncio

from tests.faults.private import AFTER, pending, private_broker
from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.faults.until import until
from tests.oracle.system import System

ALARMED = 40.0  # seconds
NOTHING = "1"  # byte of memory that it may take before the alarm
PLENTY = "0.9"  # of all memory


async def perform(stage: Stage) -> None:
    broker = private_broker(stage)
    async with stage.open(stage.shape(broker=broker.url)) as system, stage.load():
        await asyncio.sleep(2.0)
        await broker.control("set_vm_memory_high_watermark", "absolute", NOTHING)
        await told(system, "broker_blocked")
        await asyncio.sleep(2.0 if stage.brief else ALARMED)
        missed = await pending(system.database)
        assert missed, "everything was counted in spite of the alarm"
        await broker.control("set_vm_memory_high_watermark", PLENTY)
        await told(system, "broker_unblocked")
        await asyncio.sleep(AFTER)
        stage.note(f"{missed} events were pending when the alarm ended")


async def told(system: System, event: str) -> None:
    """Wait until the API has noticed."""

    async def said() -> bool:
        return event in system.serve.log.read_text(errors="replace")

    await until(event, said, within=60.0)


ROW = Row(number=6, title="memory alarm of the broker: publishers blocked", on=SERVERS, perform=perform)
