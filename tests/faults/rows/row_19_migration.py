"""The schema is upgraded to the next revision under load; processes of both versions work at the same time.

The next version is the current one with one more revision that only adds something. Running processes continue and
stay ready; a process of the old version that would start again refuses. Then every process is replaced by one of the
new version, one after the other.
"""

from __future__ import annotations

from sharetally.adapters.migrations import HEAD
from tests.faults.next_version import NEXT, next_version
from tests.faults.row import SERVERS, Row
from tests.faults.stage import Stage
from tests.oracle.client import Client
from tests.oracle.system import System
from tests.services.launch import free_port


async def perform(stage: Stage) -> None:
    new = next_version(stage.folder / "next")
    shape = stage.shape(servers=2, cache=True)
    async with stage.open(shape) as system, stage.load():
        await _migrate(stage, system, new)
        for role in system.roles:
            assert "ahead" in await _health(role.port), f"{role.name} did not notice"
        await _old_refuses(System(shape, system.folder, ports=[free_port()]))
        for role in system.roles:
            assert await role.stop() == 0, role.name
            role.vary(PYTHONPATH=new)
            await system.start(role)
            assert '"database":{"status":"ok"}' in await _health(role.port)
    stage.note(f"from {HEAD} to {NEXT} with {len(system.roles)} processes at work, then replaced one by one")


async def _migrate(stage: Stage, system: System, new: str) -> None:
    """From here on commands are of the new version; between the two nobody may look."""
    async with stage.blind():
        system.vary(PYTHONPATH=new)
        said = await system.cli("migrate")
    assert said.out.strip() == f"migrated: {NEXT}", said


async def _health(port: int) -> str:
    with Client(port) as client:
        answer = await client.ask("GET", "/health/ready")
    assert answer.status == 200, answer
    return answer.body.decode()


async def _old_refuses(old: System) -> None:
    for command in (["serve", "--port", str(old.port)], ["worker"]):
        said = await old.cli(*command)
        assert said.code == 2, f"{command}: {said}"
        assert f"stands at revision {NEXT}, this version knows {HEAD}" in said.err


ROW = Row(number=19, title="migration under load, old and new processes together", on=SERVERS, perform=perform)
