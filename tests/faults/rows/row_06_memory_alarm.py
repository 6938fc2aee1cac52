"""RabbitMQ's memory alarm is on: it accepts no messages, and reports this only to publishers. Consuming continues.

The publishers notice it and wait; clients that share do not wait. After the alarm, the relay sends what was not
published in the meantime.
"""

from __future__ import annotations

import asyncio

from tests.faults.harness import FaultHarness
from tests.faults.private_servers import RECOVERY_LOAD_SECONDS, count_pending, private_broker
from tests.faults.row import SERVERS, Row
from tests.faults.waiting import wait_until
from tests.oracle.system import System

ALARMED = 40.0  # seconds
NO_MEMORY = "1"  # byte of memory that it may take before the alarm
NORMAL_WATERMARK = "0.9"  # of all memory


async def perform(harness: FaultHarness) -> None:
    broker = private_broker(harness)
    async with harness.open(harness.topology(broker=broker.url)) as system, harness.load():
        await asyncio.sleep(2.0)
        await broker.control("set_vm_memory_high_watermark", "absolute", NO_MEMORY)
        await wait_for_log_event(system, "broker_blocked")
        await asyncio.sleep(2.0 if harness.brief else ALARMED)
        missed = await count_pending(system.database)
        assert missed, "everything was counted in spite of the alarm"
        await broker.control("set_vm_memory_high_watermark", NORMAL_WATERMARK)
        await wait_for_log_event(system, "broker_unblocked")
        await asyncio.sleep(RECOVERY_LOAD_SECONDS)
        harness.note(f"{missed} events were pending when the alarm ended")


async def wait_for_log_event(system: System, event: str) -> None:
    """Wait until the API has noticed."""

    async def said() -> bool:
        return event in system.serve.log.read_text(errors="replace")

    await wait_until(event, said, max_seconds=60.0)


ROW = Row(number=6, title="memory alarm of the broker: publishers blocked", databases=SERVERS, perform=perform)
