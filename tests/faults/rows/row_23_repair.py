"""`repair` runs while everything is being counted: it corrects the wrong cells and nothing else.

Cells are changed by hand, upwards and downwards, for the most shared content item and for others. Although everything
is changing, `verify` reports exactly these cells with exactly these differences, and `repair` corrects them. If
nothing is wrong, it changes nothing.
"""

from __future__ import annotations

import re

from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, Row
from tests.oracle.expected import Content
from tests.oracle.system import System
from tests.oracle.tables import Tables, open_tables
from tests.oracle.world import HOT

ROUNDS = 2
CONTENTS = 4
_PLAIN = re.compile("[A-Za-z0-9-]+")
Cell = tuple[str, str, str]  # content type, content id, cell
Drift = dict[Cell, int]


async def perform(harness: FaultHarness) -> None:
    moved, rounds = 0, 1 if harness.brief else ROUNDS
    async with harness.open(harness.topology(cache=harness.database != "sqlite")) as system:
        async with harness.load(seconds=8):
            await _check_nothing_to_repair(system)
        quiet = await _wait_until_counted(system)
        async with harness.load():
            for _ in range(rounds):
                async with harness.pause_verification():
                    drift = await _corrupt_counts(system, quiet)
                    await _check_repair(harness, system, drift)
                await _check_nothing_to_repair(system)
                moved += len(drift)
    harness.note(f"{moved} cells changed by hand and repaired, {rounds + 1} repairs with nothing to repair")


async def _wait_until_counted(system: System) -> list[Content]:
    """The content items of the first load, which the second does not use."""
    async with open_tables(system.database) as tables:
        totals = await tables.rows("SELECT content_type, content_id FROM share_totals ORDER BY shares DESC LIMIT 200")
    return [(kind, name) for kind, name in totals if _PLAIN.fullmatch(name) and (kind, name) != HOT][:CONTENTS]


async def _corrupt_counts(system: System, contents: list[Content]) -> Drift:
    """What is off afterwards, and by how much."""
    drift: Drift = {}
    async with open_tables(system.database) as tables:
        for kind, name in [HOT, *contents]:
            drift |= await _moved(tables, kind, name)
    return drift


async def _moved(tables: Tables, kind: str, name: str) -> Drift:
    """A request for the exact total of the hot one must not get a wrong one, so its total is left alone."""
    one = f"content_type = '{kind}' AND content_id = '{name}'"
    cell = f"{one} AND dimension = 'evidence' AND value = 'declared'"
    bucket = f"{one} AND channel = 'twitter' AND evidence = 'declared'"
    drift = {} if (kind, name) == HOT else {(kind, name, "total"): 7}
    if await tables.rows(f"SELECT 1 FROM share_counts WHERE {cell}"):
        drift[kind, name, "evidence:declared"] = -2
    if buckets := await tables.rows(f"SELECT 1 FROM share_rollups WHERE {bucket}"):
        drift[kind, name, "rollup"] = -3 * len(buckets)
    await tables.run(
        f"UPDATE share_totals SET shares = shares + 7 WHERE {one} AND content_id <> '{HOT[1]}'",
        f"UPDATE share_counts SET shares = shares - 2 WHERE {cell}",
        f"UPDATE share_rollups SET made = made - 3 WHERE {bucket}",
    )
    return drift


async def _check_repair(harness: FaultHarness, system: System, drift: Drift) -> None:
    assert await _seen(system) == drift
    said = await system.cli("repair")
    assert said.out.splitlines()[-1] == f"{len(drift)} cells repaired", said
    for kind, name, _ in drift:
        harness.promises.expected.audit["sharetally repair", (kind, name), "", "repaired"] += 1


async def _seen(system: System) -> Drift:
    said = await system.cli("verify", "--json")
    return {
        (cell["contentType"], cell["contentId"], cell["cell"]): cell["counted"] + cell["pending"] - cell["ledger"]
        for cell in said.json()["drifted"]
    }


async def _check_nothing_to_repair(system: System) -> None:
    said = await system.cli("repair")
    assert said.out == "0 cells repaired\n", said


ROW = Row(number=23, title="repair while everything is being counted", databases=ALL, perform=perform, brief="sqlite")
