"""The table shows what was measured: absolute numbers, the ratio, its spread, the target and the verdict."""

from __future__ import annotations

import pytest

from bench.alternate import figure
from bench.report import entry, markdown_table, notes, terminal_line
from bench.row import at_least, at_most
from tests.bench.sample_rows import failed, measured


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (999.6, "1,000"), (437.4, "437"), (12.34, "12.3"), (0.9876, "0.988"), (0.0123, "0.0123")],
)
def test_figures_have_places_that_mean_something(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_row_of_the_table() -> None:
    told = entry(measured((8000.0, 9000.0, 10000.0), (10000.0, 10000.0, 10000.0), at_least(1)))
    assert markdown_table([told]).splitlines()[-1] == (
        "| ours & more / theirs | 9,000 / 10,000 requests/s | **0.9** (0.8 to 1) | >= 1 | not met |"
    )


def test_a_failed_row_shows_its_reason_and_keeps_the_table_valid() -> None:
    told = markdown_table([failed("LoadFailed: 500 | 502")]).splitlines()[-1]
    assert told == "| ours & more / theirs | | | none | **failed**: LoadFailed: 500 \\| 502 |"


def test_a_line_for_the_terminal() -> None:
    assert terminal_line(measured((4.0,), (1.0,), at_most(5))) == "4 / 1 requests/s, ratio 4 (4 to 4), target <= 5: met"


def test_notes_are_listed_by_row() -> None:
    assert notes([entry(measured((1.0,), (1.0,))), failed("x")]) == "- **ours & more / theirs** (`fast`): noted."
