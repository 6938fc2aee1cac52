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
from tests.faults.journals import until_answered
from tests.faults.queues import depths
from tests.faults.row import ALL, Row
from tests.faults.stage import Stage
from tests.oracle.expected import Content, Expected
from tests.oracle.judge import settle
from tests.oracle.standing import standing
from tests.oracle.system import System
from tests.oracle.tables import open_tables
from tests.oracle.world import HOT

Versions = dict[Content, int]
Rows = Mapping[Any, Hashable]


async def perform(stage: Stage) -> None:
    backup = stage.folder / "backup"
    async with stage.open(stage.shape(cache=stage.database != "sqlite")) as system:
        async with stage.load(seconds=8):
            pass
        before = deepcopy(stage.promises.expected)
        async with stage.load():
            await until_answered(system.folder, 100)
            for worker in system.workers:  # from here on all messages stay in the queue
                assert await worker.stop() == 0
            await until_answered(system.folder, 100)
            await backups.take(system.database, backup)
            await until_answered(system.folder, 200)
        async with stage.blind():
            announced = await _versions(system)
            lost = await _restored(stage, system, backup)
        async with open_tables(system.database) as tables:
            await settle(tables, stage.patience)
            stands = await standing(tables)
        _hold(stage, before, stands)
        await _no_version_below(stage, system, announced)
        _go_on_from(stage, stands)
        async with stage.load(seconds=8):
            pass
    stage.note(lost)


async def _restored(stage: Stage, system: System, backup: Path) -> str:
    """As the runbook has it."""
    assert not any((await system.stop()).values())
    waiting = (await depths(system.shape.broker, 0))["count"] if system.shape.broker else 0
    assert waiting or not system.shape.broker, "there was nothing in the queue"
    await backups.restore(system.database, backup)
    await _drifts_not(system)
    said = await system.cli("repair", "--restored")
    raised, _, mended = said.out.partition(" versions raised; markers and send times forgotten\n")
    assert mended == "0 cells mended\n", said
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


async def _no_version_below(stage: Stage, system: System, announced: Versions) -> None:
    now = await _versions(system)
    stage.wrong(
        *(f"{each} has version {now[each]}, {announced[each]} was told" for each in now if _below(each, now, announced))
    )


def _below(content: Content, now: Versions, announced: Versions) -> bool:
    return now[content] < announced.get(content, 0)


def _hold(stage: Stage, before: Expected, stands: Expected) -> None:
    """All that was answered before the backup began, as it was; and nothing that was never asked for."""
    asked = stage.promises.expected
    kinds: tuple[tuple[str, Rows, Rows, Rows], ...] = (
        ("record", before.records, stands.records, asked.records),
        ("link", before.links, stands.links, asked.links),
        ("adjustment", before.corrections, stands.corrections, asked.corrections),
    )
    for kind, was, found, attempted in kinds:
        stage.wrong(*(f"lost: {kind} {key}" for key, value in was.items() if found.get(key) != value))
        stage.wrong(*(f"never asked for: {kind} {key}" for key in found.keys() - attempted.keys()))
    stage.wrong(*(f"lost: audit {key}" for key, many in before.audit.items() if stands.audit[key] != many))


def _go_on_from(stage: Stage, stands: Expected) -> None:
    """What stands now is what is promised; the rest was lost with the time after the backup."""
    stage.promises.expected = stands
    stage.promises.tally.uncertain.clear()
    cells = stands.cells()
    total = {HOT: cells.get((HOT, "total", ""), 0)}
    stage.act.crowd.stands(
        total | {(HOT, key[2]): shares for key, shares in cells.items() if key[:2] == (HOT, "platform")}
    )


ROW = Row(number=20, title="backup under load, restored with newer messages in the queue", on=ALL, perform=perform)
