"""Every process is restarted with SIGTERM, one after the other, while all of them are working.

There are two API servers; a client that one of them refuses goes to the other. No request may remain without an
answer, be answered with a 5xx, or be refused by both. On SQLite there is only one process, which may refuse
connections, but nothing else.
"""

from __future__ import annotations

from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row

TIMES = 1


async def perform(harness: FaultHarness) -> None:
    embedded = harness.database == "sqlite"
    if embedded:
        harness.allow("NotSent")
    restarts = 0
    async with harness.open(harness.topology(servers=2, cache=not embedded)) as system, harness.load():
        for role in system.roles * TIMES:
            code = await role.stop()
            assert code == 0, f"{role.name} ended with {code}"
            await system.start(role)
            restarts += 1
    harness.note(f"{restarts} restarts; every request that was sent was answered")


ROW = Row(
    number=18, title="rolling restart of every process by SIGTERM", databases=ALL, perform=perform, brief="sqlite"
)
