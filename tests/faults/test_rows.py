"""Every row is found by itself, once, and says on what it is tried."""

from __future__ import annotations

from tests.faults.row import ALL, found
from tests.faults.runner import pairs_of


def test_rows_are_found_and_named() -> None:
    rows = found()
    assert {1, 2} <= rows.keys()
    assert all(row.title and set(row.on) <= set(ALL) and row.on for row in rows.values())
    assert pairs_of([rows[1]], ["mysql", "sqlite"]) == [(rows[1], "sqlite"), (rows[1], "mysql")]
