"""A worker is killed in the middle of a batch, when everything is written and nothing is committed: the database
rolls it back, and the broker delivers it again.

On SQLite, worker and API are one process, so the interrupted transaction may belong to either of them.
"""

from __future__ import annotations

from tests.faults.dying import armed, deaths, dies, dies_again, revive
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage

PLACE = "ledger.before-commit"
TIMES = 5


async def perform(stage: Stage) -> None:
    embedded = stage.database == "sqlite"
    often = 30 if embedded else 2  # batches of one process that does everything are many, and small
    if embedded:
        stage.allow("NotSent", "NoAnswer")
    shape = stage.shape(each=armed("serve" if embedded else "worker-0", PLACE, 5))
    async with stage.open(shape) as system, stage.load(seconds=30):
        role = system.serve if embedded else system.workers[0]
        await dies(role)
        for number in range(2, stage.times(TIMES) + 1):
            await dies_again(role, PLACE, often * number)
        await revive(system, role)
        stage.note(f"killed {deaths(role)} times")


ROW = Row(number=2, title="worker killed in mid-batch, before the commit", on=ALL, perform=perform)
