"""The disk of the database is full for a while under load; then there is space again.

In the meantime, writes are refused with 503, which promises nothing. Afterwards, everything continues, and none of
our processes was restarted. If a database server has ended itself because of the full disk, it is started again, as
an operator would do.
"""

from __future__ import annotations

from dataclasses import replace

from tests.faults.disks import MIB, Disk, small_disk
from tests.faults.journals import until_answered
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.oracle.system import Shape, System
from tests.services import fresh_mysql, fresh_postgresql
from tests.services.mysql import MYSQL
from tests.services.postgresql import POSTGRESQL
from tests.services.server import Kind, Server

SIZE = {"sqlite": 64, "postgresql": 256, "mysql": 512}  # MiB
SPARE = MIB
REFUSALS = 100


async def perform(stage: Stage) -> None:
    stage.allow("503")
    disk = stage.enter(small_disk(SIZE[stage.database]))
    shape, kind, server = _on(stage, disk)
    async with stage.open(shape) as system, stage.load():
        await until_answered(system.folder, 200)
        async with stage.blind():
            disk.fill(SPARE)
            await until_answered(system.folder, REFUSALS, "503")
            disk.free()
            if kind and server and not kind.answers(server.url):
                _start_again(server)
                stage.note("the server ended itself and was started again")
            await until_answered(system.folder, 200, "200")
        _none_restarted(system)
    refused = stage.promises.tally.outcomes["503"]
    stage.note(f"{refused} requests were refused; everything continued when there was space again")


def _on(stage: Stage, disk: Disk) -> tuple[Shape, Kind | None, Server | None]:
    """A system whose database lies on that disk."""
    if stage.database == "sqlite":
        return replace(stage.shape(), database=f"sqlite:///{disk.path}/sharetally.db"), None, None
    kind, fresh = {"postgresql": (POSTGRESQL, fresh_postgresql), "mysql": (MYSQL, fresh_mysql)}[stage.database]
    server = stage.enter(kind.private())
    return stage.shape(database=stage.enter(fresh(server.url))), kind, server


def _start_again(server: Server) -> None:
    assert server.switch is not None
    server.switch.stop()
    server.switch.start()


def _none_restarted(system: System) -> None:
    ended = {role.name: role.ended for role in system.roles if not role.running}
    assert not ended, f"ended: {ended}"


ROW = Row(number=17, title="the disk of the database full, then freed", on=ALL, perform=perform)
