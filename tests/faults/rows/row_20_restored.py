"""A backup is taken under load and restored later, while the queues still contain messages that were sent after the
backup.

Everything that was answered before the backup began is there, and nothing is there that nobody requested. `repair
--restored` raises every version above all versions that were ever announced. Messages whose events are not in the
backup count nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.faults import backups
from tests.faults.harness import FaultHarness
from tests.faults.journals import wait_for_responses
from tests.faults.queues import depths
from tests.faults.row import ALL, Row
from tests.oracle.expected import Content, Expected
from tests.oracle.expected_from_tables import expected_from_tables
from tests.oracle.judge import wait_until_counted
from tests.oracle.system import System
from tests.oracle.tables import open_tables
from tests.oracle.world import HOT

Versions = dict[Content, int]
Rows = Mapping[Any, Hashable]


async def perform(harness: FaultHarness) -> None:
    backup = harness.folder / "backup"
    async with harness.open(harness.topology(cache=harness.database != "sqlite")) as system:
        async with harness.load(seconds=8):
            pass
        before = deepcopy(harness.promises.expected)
        async with harness.load():
            await wait_for_responses(system.folder, 100)
            for worker in system.workers:  # from here on all messages stay in the queue
                assert await worker.stop() == 0
            await wait_for_responses(system.folder, 100)
            await backups.take(system.database, backup)
            await wait_for_responses(system.folder, 200)
        async with harness.pause_verification():
            announced = await _versions(system)
            lost = await _restored(harness, system, backup)
        async with open_tables(system.database) as tables:
            await wait_until_counted(tables, harness.max_seconds)
            stands = await expected_from_tables(tables)
        _hold(harness, before, stands)
        await _no_version_below(harness, system, announced)
        _go_on_from(harness, stands)
        async with harness.load(seconds=8):
            pass
    harness.note(lost)


async def _restored(harness: FaultHarness, system: System, backup: Path) -> str:
    """As the runbook has it."""
    assert not any((await system.stop()).values())
    waiting = (await depths(system.topology.broker, 0))["count"] if system.topology.broker else 0
    assert waiting or not system.topology.broker, "there was nothing in the queue"
    await backups.restore(system.database, backup)
    await _drifts_not(system)
    said = await system.cli("repair", "--restored")
    raised, _, repaired = said.out.partition(
        " versions raised; queue marks, send times, console links and console sessions deleted\n"
    )
    assert repaired == "0 cells repaired\n", said
    await _drifts_not(system)
    await system.start(*system.roles)
    return f"restored under {waiting} messages sent after the backup; {raised} versions raised"


async def _drifts_not(system: System) -> None:
    said = await system.cli("verify", "--json")
    assert said.code == 0, said


async def _versions(system: System) -> Versions:
    async with open_tables(system.database) as tables:
        rows = await tables.rows("SELECT content_type, content_id, version FROM share_totals")
    return {(kind, name): version for kind, name, version in rows}


async def _no_version_below(harness: FaultHarness, system: System, announced: Versions) -> None:
    now = await _versions(system)
    harness.fail(
        *(f"{each} has version {now[each]}, {announced[each]} was told" for each in now if _below(each, now, announced))
    )


def _below(content: Content, now: Versions, announced: Versions) -> bool:
    return now[content] < announced.get(content, 0)


def _hold(harness: FaultHarness, before: Expected, stands: Expected) -> None:
    """Everything answered before the backup began is unchanged, and there is nothing that was never requested."""
    asked = harness.promises.expected
    kinds: tuple[tuple[str, Rows, Rows, Rows], ...] = (
        ("record", before.records, stands.records, asked.records),
        ("link", before.links, stands.links, asked.links),
        ("adjustment", before.corrections, stands.corrections, asked.corrections),
    )
    for kind, was, found, attempted in kinds:
        harness.fail(*(f"lost: {kind} {key}" for key, value in was.items() if found.get(key) != value))
        harness.fail(*(f"never asked for: {kind} {key}" for key in found.keys() - attempted.keys()))
    harness.fail(*(f"lost: audit {key}" for key, many in before.audit.items() if stands.audit[key] != many))


def _go_on_from(harness: FaultHarness, stands: Expected) -> None:
    """From now on, the restored state is expected; later writes were lost because the backup is older."""
    harness.promises.expected = stands
    harness.promises.tally.uncertain.clear()
    cells = stands.cells()
    total = {HOT: cells.get((HOT, "total", ""), 0)}
    harness.current_run.crowd.stands(
        total | {(HOT, key[2]): shares for key, shares in cells.items() if key[:2] == (HOT, "platform")}
    )


ROW = Row(
    number=20, title="backup under load, restored with newer messages in the queue", databases=ALL, perform=perform
)
