"""A worker is killed after it has committed a batch and before it acknowledges it, so the broker delivers everything
again.

The events are already burned, so the second delivery finds none and changes nothing. On SQLite, worker and API are
one process and die together. On the database servers, counts are cached in Redis in this row.
"""

from __future__ import annotations

from tests.faults.dying import armed, deaths, dies, dies_again, revive
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage

PLACE = "subscription.before-ack"
TIMES = 5


async def perform(stage: Stage) -> None:
    embedded = stage.database == "sqlite"
    often = 30 if embedded else 2  # batches of one process that does everything are many, and small
    if embedded:
        stage.allow("NotSent", "NoAnswer")
    shape = stage.shape(cache=not embedded, each=armed("serve" if embedded else "worker-0", PLACE, 5))
    async with stage.open(shape) as system, stage.load(seconds=30):
        role = system.serve if embedded else system.workers[0]
        await dies(role)
        for number in range(2, stage.times(TIMES) + 1):
            await dies_again(role, PLACE, often * number)
        await revive(system, role)
        stage.note(f"killed {deaths(role)} times")


ROW = Row(number=1, title="worker killed after the commit, before the ack", on=ALL, perform=perform, brief="postgresql")
