"""The page on reliability: it has a place for the last run, and names every place to die at."""

from __future__ import annotations

from sharetally.adapters.failpoints import ENVIRONMENT_VARIABLE, FAILPOINT_NAMES
from tests.docs.pages import DOCS
from tests.faults.document import markers
from tests.faults.row import CHAPTERS, discover_rows
from tests.faults.scoreboard import HEADINGS

PAGE = (DOCS / "reliability.md").read_text()


def test_every_fail_point_is_named() -> None:
    assert f"{ENVIRONMENT_VARIABLE}=name:N" in PAGE
    assert [name for name in FAILPOINT_NAMES if f"| `{name}` |" not in PAGE] == []


def test_every_column_is_explained() -> None:
    explained = {
        word
        for line in PAGE.split(markers(CHAPTERS[0])[0])[0].splitlines()
        for word in line.split(" | ")[0].strip("| ").split(", ")
    }
    assert set(HEADINGS) - {"row", "database", "verdict"} <= explained


def test_every_row_has_a_place_for_its_last_run() -> None:
    places = [PAGE.index(marker) for chapter in CHAPTERS for marker in markers(chapter)]
    assert places == sorted(places)
    assert {row.chapter for row in discover_rows().values()} == set(CHAPTERS)
