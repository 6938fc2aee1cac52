"""The SQL of MySQL and MariaDB, where the databases differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import asyncmy as dialect

from sharetally.adapters.databases.driver import RowBatch
from sharetally.adapters.databases.types import MICROS, NOW

_FUNCTIONS = {"greatest": "greatest", "now": NOW["mysql"], "micros": MICROS["mysql"]}


class MysqlDialect:
    """SQL that the driver's `executemany` runs: it joins the rows of an INSERT to one statement."""

    def __init__(self) -> None:
        self.sa_dialect: sa.Dialect = dialect.dialect()

    def counting(self, *, each_event: bool) -> str | None:
        """None, because MySQL and MariaDB cannot change rows within a WITH."""
        return None

    def inserts(self, batches: Sequence[RowBatch]) -> Sequence[tuple[str, Sequence[Any]]]:
        """One INSERT per table."""
        return [(_insert(batch.table, batch.columns), batch.rows) for batch in batches]

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """ON DUPLICATE KEY UPDATE; both MySQL and MariaDB understand VALUES(x)."""
        values = {"t": table.name, **_FUNCTIONS, **{name: f"VALUES(`{name}`)" for name in columns}}
        assignments = ", ".join(f"{column} = {expression.format(**values)}" for column, expression in sets.items())
        return f"{_insert(table, columns)} ON DUPLICATE KEY UPDATE {assignments}"

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE of one row."""
        assignments = ", ".join(f"`{column}` = %s" for column in columns)
        return f"UPDATE {table.name} SET {assignments} WHERE `{key}` = %s"

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """SELECT of the rows whose keys are in a list; the order makes it lock them in that order."""
        left = f"({_quoted(keys)})" if len(keys) > 1 else _quoted(keys)
        rows = ", ".join([f"({_placeholders(len(keys))})"] * count)
        return (
            f"SELECT {_quoted(columns)} FROM {table.name} WHERE {left} IN ({rows}) "
            f"ORDER BY {_quoted(keys)}{' FOR UPDATE' if lock else ''}"
        )


def _insert(table: sa.Table, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table.name} ({_quoted(columns)}) VALUES ({_placeholders(len(columns))})"


def _placeholders(count: int) -> str:
    return ", ".join(["%s"] * count)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
