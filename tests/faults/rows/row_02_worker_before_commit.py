"""A worker is killed in the middle of a batch, when everything is written and nothing is committed: the database
rolls it back, and the broker delivers it again.

On SQLite, worker and API are one process, so the interrupted transaction may belong to either of them.
"""

from __future__ import annotations

from tests.faults.failpoints import (
    count_deaths,
    failpoint_settings,
    restart_disarmed,
    restart_until_death,
    wait_for_death,
)
from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row

PLACE = "ledger.before-commit"
TIMES = 5


async def perform(harness: FaultHarness) -> None:
    embedded = harness.database == "sqlite"
    often = 30 if embedded else 2  # batches of one process that does everything are many, and small
    if embedded:
        harness.allow("NotSent", "NoResponse")
    topology = harness.topology(each=failpoint_settings("serve" if embedded else "worker-0", PLACE, 5))
    async with harness.open(topology) as system, harness.load(seconds=30):
        role = system.serve if embedded else system.workers[0]
        await wait_for_death(role)
        for number in range(2, harness.rounds(TIMES) + 1):
            await restart_until_death(role, PLACE, often * number)
        await restart_disarmed(system, role)
        harness.note(f"killed {count_deaths(role)} times")


ROW = Row(number=2, title="worker killed in mid-batch, before the commit", databases=ALL, perform=perform)
