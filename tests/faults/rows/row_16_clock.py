"""The clock of one process is a day ahead, then a day behind; each role in turn.

Only the database's clock matters: tokens are valid for exactly as long as they say, and no time that is stored, used
for sending again or put into a marker lies outside the time of the run. On SQLite, the process has no other clock
than its own, so there is nothing to test.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.faults.clocks import clock_offset, set_clock
from tests.faults.harness import FaultHarness
from tests.faults.journals import wait_for_responses
from tests.faults.row import SERVERS, Row
from tests.oracle.process import Role
from tests.oracle.system import System
from tests.oracle.tables import open_tables

OFF = {"+1d": timedelta(days=1), "-1d": timedelta(days=-1)}
NEAR = timedelta(minutes=10)
AT_WORK = 300  # answers while the clock is off
TIMES = {
    "share_audit": ("at",),
    "share_records": ("first_shared_at", "last_shared_at"),
    "share_links": ("created_at", "updated_at"),
    "adjustments": ("created_at",),
    "events": ("at", "created_at", "sent_at"),
    "share_totals": ("changed_at",),
}


async def perform(harness: FaultHarness) -> None:
    began = datetime.now(UTC)
    async with harness.open(harness.topology(servers=2, cache=True)) as system:
        async with harness.load():
            for role in (system.workers[0], system.relays[0], system.servers[1]):
                for off, expected in OFF.items():
                    await _restarted(system, role, off)
                    await wait_for_responses(system.folder, AT_WORK)
                    assert abs(clock_offset(role) - expected) < NEAR, (
                        f"{role.name}: {clock_offset(role)} off, not {off}"
                    )
                await _restarted(system, role, None)
        await _all_within(system, began - NEAR, datetime.now(UTC) + NEAR)
    harness.note("a worker, a relay and a server, each a day ahead and a day behind")


async def _restarted(system: System, role: Role, off: str | None) -> None:
    assert await role.stop() == 0, role.name
    set_clock(role, off)
    await system.start(role)


async def _all_within(system: System, first: datetime, last: datetime) -> None:
    async with open_tables(system.database) as tables:
        for table, columns in TIMES.items():
            for column in columns:
                ((least, most),) = await tables.rows(f"SELECT min({column}), max({column}) FROM {table}")
                if least is not None:
                    assert first <= _utc(least) <= _utc(most) <= last, f"{table}.{column}: {least} to {most}"


def _utc(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


ROW = Row(number=16, title="the clock of one process a day off", databases=SERVERS, perform=perform)
