"""The page's generated part is replaced, what is written by hand stays, and rows not run keep their numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.page import BEGIN, DOCS, END, render, replace_generated, write
from bench.report import entry
from bench.row import at_least
from bench.rows import discover_rows
from tests.bench.sample_rows import failed, measured


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "performance.md").write_text(f"by hand\n\n{BEGIN}\n\nold\n\n{END}\n\nby hand too\n")
    return tmp_path


def test_figures_are_written_and_the_text_around_them_stays(docs: Path) -> None:
    write([entry(measured((2.0,), (1.0,), at_least(1)))], pairs=3, docs=docs)
    page = (docs / "performance.md").read_text()
    assert page.startswith("by hand\n")
    assert page.endswith("by hand too\n")
    assert "old" not in page
    assert "3 pairs per row" in page
    assert "| ours & more / theirs | 2 / 1 requests/s | **2** (2 to 2) | >= 1 | met |" in page
    assert (docs / "pictures" / "performance.svg").read_text().startswith("<svg")


def test_a_later_run_of_one_row_keeps_the_others(docs: Path) -> None:
    write([entry(measured((2.0,), (1.0,))), failed("gone")], pairs=5, docs=docs)
    write([entry(measured((4.0,), (1.0,)))], pairs=3, docs=docs)
    rows = json.loads((docs / "performance.json").read_text())["rows"]
    assert {told["name"]: told.get("ratio") for told in rows} == {"fast": 4.0, "broken": None}


def test_the_committed_page_matches_the_committed_numbers() -> None:
    numbers = json.loads((DOCS / "performance.json").read_text("utf-8"))
    page = (DOCS / "performance.md").read_text("utf-8")
    assert replace_generated(page, render(numbers["rows"], numbers["machine"])) == page
    rows = {row.name: (row.ours, row.reference, row.unit) for row in discover_rows()}
    assert {row["name"]: (row["ours"], row["reference"], row["unit"]) for row in numbers["rows"]} == rows


def test_the_real_page_has_its_markers() -> None:
    assert "new words" in replace_generated((DOCS / "performance.md").read_text(), "new words")


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers"):
        replace_generated("nothing here", "new")
