"""Every row is found exactly once, without registration, and names its databases."""

from __future__ import annotations

from tests.faults.row import ALL, discover_rows
from tests.faults.runner import row_database_pairs


def test_rows_are_found_and_named() -> None:
    rows = discover_rows()
    assert {1, 2} <= rows.keys()
    assert all(row.title and set(row.databases) <= set(ALL) and row.databases for row in rows.values())
    assert row_database_pairs([rows[1]], ["mysql", "sqlite"]) == [(rows[1], "sqlite"), (rows[1], "mysql")]
