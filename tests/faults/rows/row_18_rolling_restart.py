"""Every process is restarted by SIGTERM, one after the other, while all are at work.

Two servers stand side by side; whoever is refused by one goes to the other. Nothing that was sent may stay without an
answer, be answered with a 5xx, or even be refused by both. On SQLite there is one process: it may refuse, no more.
"""

from __future__ import annotations

from tests.faults.row import ALL, Row
from tests.faults.stage import Stage

TIMES = 1


async def perform(stage: Stage) -> None:
    embedded = stage.database == "sqlite"
    if embedded:
        stage.allow("NotSent")
    restarts = 0
    async with stage.open(stage.shape(servers=2, cache=not embedded)) as system, stage.load():
        for role in system.roles * TIMES:
            code = await role.stop()
            assert code == 0, f"{role.name} ended with {code}"
            await system.start(role)
            restarts += 1
    stage.note(f"{restarts} restarts; every request that was sent was answered")


ROW = Row(number=18, title="rolling restart of every process by SIGTERM", on=ALL, perform=perform, brief="sqlite")
