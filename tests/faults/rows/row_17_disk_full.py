"""The disk of the database is full for a while under load; then there is space again.

In the meantime, writes are refused with 503, which promises nothing. Afterwards, everything continues, and none of
our processes was restarted. If a database server has ended itself because of the full disk, it is started again, as
an operator would do.
"""

from __future__ import annotations

from dataclasses import replace

from tests.faults.disks import MIB, Disk, small_disk
from tests.faults.harness import FaultHarness
from tests.faults.journals import wait_for_responses
from tests.faults.row import ALL, Row
from tests.oracle.system import System, Topology
from tests.services import fresh_mysql, fresh_postgresql
from tests.services.mysql import MYSQL
from tests.services.postgresql import POSTGRESQL
from tests.services.server import Server, ServerKind

SIZE = {"sqlite": 64, "postgresql": 256, "mysql": 512}  # MiB
SPARE = MIB
REFUSALS = 100


async def perform(harness: FaultHarness) -> None:
    harness.allow("503")
    disk = harness.enter(small_disk(SIZE[harness.database]))
    topology, kind, server = _on(harness, disk)
    async with harness.open(topology) as system, harness.load():
        await wait_for_responses(system.folder, 200)
        async with harness.pause_verification():
            disk.fill(SPARE)
            await wait_for_responses(system.folder, REFUSALS, "503")
            disk.free()
            if kind and server and not kind.answers(server.url):
                _start_again(server)
                harness.note("the server ended itself and was started again")
            await wait_for_responses(system.folder, 200, "200")
        _none_restarted(system)
    refused = harness.promises.tally.outcomes["503"]
    harness.note(f"{refused} requests were refused; everything continued when there was space again")


def _on(harness: FaultHarness, disk: Disk) -> tuple[Topology, ServerKind | None, Server | None]:
    """A system whose database lies on that disk."""
    if harness.database == "sqlite":
        return replace(harness.topology(), database=f"sqlite:///{disk.path}/sharetally.db"), None, None
    kind, fresh = {"postgresql": (POSTGRESQL, fresh_postgresql), "mysql": (MYSQL, fresh_mysql)}[harness.database]
    server = harness.enter(kind.private())
    return harness.topology(database=harness.enter(fresh(server.url))), kind, server


def _start_again(server: Server) -> None:
    assert server.process is not None
    server.process.stop()
    server.process.start()


def _none_restarted(system: System) -> None:
    ended = {role.name: role.ended for role in system.roles if not role.running}
    assert not ended, f"ended: {ended}"


ROW = Row(number=17, title="the disk of the database full, then freed", databases=ALL, perform=perform)
