"""The schema is upgraded to the next revision under load; processes of both versions work at the same time.

The next version is the current one with one more revision that only adds something. Running processes continue and
stay ready; a process of the old version that would start again refuses. Then every process is replaced by one of the
new version, one after the other.
"""

from __future__ import annotations

from sharetally.adapters.migrations import HEAD
from tests.faults.harness import FaultHarness
from tests.faults.next_version import NEXT_REVISION, next_version
from tests.faults.row import SERVERS, Row
from tests.oracle.client import Client
from tests.oracle.system import System
from tests.services.launch import free_port


async def perform(harness: FaultHarness) -> None:
    new = next_version(harness.folder / "next")
    topology = harness.topology(servers=2, cache=True)
    async with harness.open(topology) as system, harness.load():
        await _migrate(harness, system, new)
        for role in system.roles:
            assert "ahead" in await _health(role.port), f"{role.name} did not notice"
        await _old_refuses(System(topology, system.folder, ports=[free_port()]))
        for role in system.roles:
            assert await role.stop() == 0, role.name
            role.set_environment(PYTHONPATH=new)
            await system.start(role)
            assert '"database":{"status":"ok"}' in await _health(role.port)
    harness.note(f"from {HEAD} to {NEXT_REVISION} with {len(system.roles)} processes at work, then replaced one by one")


async def _migrate(harness: FaultHarness, system: System, new: str) -> None:
    """From here on, commands are of the new version; `verify` may not run in between."""
    async with harness.pause_verification():
        system.set_environment(PYTHONPATH=new)
        said = await system.cli("migrate")
    assert said.out.strip() == f"migrated: {NEXT_REVISION}", said


async def _health(port: int) -> str:
    with Client(port) as client:
        response = await client.request("GET", "/health/ready")
    assert response.status == 200, response
    return response.body.decode()


async def _old_refuses(old: System) -> None:
    for command in (["serve", "--port", str(old.port)], ["worker"]):
        said = await old.cli(*command)
        assert said.code == 2, f"{command}: {said}"
        assert f"stands at revision {NEXT_REVISION}, this version knows {HEAD}" in said.err


ROW = Row(number=19, title="migration under load, old and new processes together", databases=SERVERS, perform=perform)
