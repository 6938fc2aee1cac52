"""A verdict that cannot fail is worthless: each thing that can be wrong in a row fails it, and is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.document import generated, markers, server_of, write
from tests.faults.harness import FaultHarness
from tests.faults.row import ALL, CHAPTERS, POSTS, SHARES, Row
from tests.faults.scoreboard import HEADINGS, Outcome, as_json, as_markdown, as_text

GOOD = Outcome(row=1, title="killed", database="postgresql", attempts=1_200, acknowledged=1_000, looks=3)


async def _nothing(harness: FaultHarness) -> None:
    """Performs nothing."""


def test_a_row_without_problems_has_passed() -> None:
    assert GOOD.passed
    assert replace(GOOD, parked=2, parked_predicted=2, dead=1, dead_predicted=1).passed


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, lost=1),
        replace(GOOD, duplicated=1),
        replace(GOOD, unexpected=1),
        replace(GOOD, drift=1),
        replace(GOOD, cells=1),
        replace(GOOD, pending=1),
        replace(GOOD, depth=1),
        replace(GOOD, parked=1),
        replace(GOOD, parked_predicted=1),
        replace(GOOD, dead=1),
        replace(GOOD, dead_predicted=1),
        replace(GOOD, wrong=("a traceback in a log",)),
        replace(GOOD, failure="AssertionError: nobody was killed"),
        replace(GOOD, looks=0),
        replace(GOOD, acknowledged=0),
    ],
    ids=lambda outcome: str({key: value for key, value in vars(outcome).items() if value != vars(GOOD)[key]}),
)
def test_anything_wrong_fails_the_row(wrong: Outcome) -> None:
    assert not wrong.passed
    assert "FAILED" in as_text([GOOD, wrong])
    assert json.loads(as_json([GOOD, wrong], {"seed": 7}))["passed"] is False


def test_the_table_shows_every_number_and_every_reason() -> None:
    outcome = replace(GOOD, lost=3, dead=1, wrong=("lost: record x",), notes=("killed 5 times",), settling=41.25)
    table = as_markdown([outcome])
    assert table.splitlines()[0].count("|") == len(HEADINGS) + 1
    assert (
        "| 1 | postgresql | 1,200 | 1,000 | 3 | 0 | 0 | 0 (3) | 0 | 0 | 0 | 0 | 1 (not 0) | 41.2 s | FAILED |" in table
    )
    rows = [Row(number=1, title="killed", databases=ALL, perform=_nothing)]
    page = generated([outcome], {"date": "today", "seed": 7, "minutes": 2.0, "versions": {"SQLite": "3.40"}}, rows)
    assert "seed 7" in page
    assert "### 1. Killed\n\nA verdict that cannot fail is worthless" in page
    assert "SQLite 3.40" in page
    assert "killed 5 times; WRONG: lost: record x" in page


def test_servers_are_named_with_their_versions() -> None:
    assert server_of("PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64-pc-linux-gnu") == {"PostgreSQL": "15.20"}
    assert server_of("10.11.19-MariaDB-0+deb12u1") == {"MariaDB": "10.11.19"}
    assert server_of("8.0.36") == {"MySQL": "8.0.36"}


def test_a_run_of_some_rows_leaves_the_other_chapters_as_they_are(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    empty = ["\n".join((*markers(chapter), "")) for chapter in CHAPTERS]
    page.write_text("".join(empty))
    run: dict[str, object] = {"date": "today", "seed": 7, "minutes": 2.0, "versions": {"SQLite": "3.40"}}
    killed = Row(number=1, title="killed", databases=ALL, perform=_nothing)
    posted = Row(number=24, title="posted", databases=ALL, perform=_nothing, chapter=POSTS)
    write(page, [GOOD, replace(GOOD, row=24, title="posted")], run, [killed, posted])
    both = page.read_text()
    assert both.index("### 1. Killed") < both.index(markers(SHARES)[1]) < both.index("### 24. Posted")
    write(page, [replace(GOOD, row=24, attempts=5)], run, [posted])
    assert page.read_text() == both.replace("| 24 | postgresql | 1,200 |", "| 24 | postgresql | 5 |")
