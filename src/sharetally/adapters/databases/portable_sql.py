"""What SQLite, MySQL and MariaDB write alike: VALUES with a placeholder per value, IN lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases.connection import RowBatch


class PortableDialect:
    """Statements for `executemany`.

    `placeholder` stands for a value, `quote` goes around names, `row_list` says how an IN list holds rows.
    """

    def __init__(self, sa_dialect: sa.Dialect, *, placeholder: str, quote: str, row_list: str, lock: str) -> None:
        self.sa_dialect = sa_dialect
        self._placeholder = placeholder
        self._quote = quote
        self._row_list = row_list
        self._lock = lock

    def counting(self, *, each_event: bool) -> str | None:
        """None: these databases cannot change rows within a WITH."""
        return None

    def quote_name(self, column: str) -> str:
        """A quoted name."""
        return f"{self._quote}{column}{self._quote}"

    def quote_names(self, columns: Sequence[str]) -> str:
        """Quoted names, separated."""
        return ", ".join(self.quote_name(column) for column in columns)

    def _placeholders(self, count: int) -> str:
        return "(" + ", ".join([self._placeholder] * count) + ")"

    def inserts(self, batches: Sequence[RowBatch]) -> Sequence[tuple[str, Sequence[Any]]]:
        """One INSERT a table, for all its rows."""
        return [(self.insert(batch.table, batch.columns), batch.rows) for batch in batches]

    def insert(self, table: sa.Table, columns: Sequence[str]) -> str:
        """INSERT … VALUES, for one row."""
        return f"INSERT INTO {table.name} ({self.quote_names(columns)}) VALUES {self._placeholders(len(columns))}"

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE … WHERE key, for one row."""
        set_clause = ", ".join(f"{self.quote_name(column)} = {self._placeholder}" for column in columns)
        return f"UPDATE {table.name} SET {set_clause} WHERE {self.quote_name(key)} = {self._placeholder}"

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """WHERE (keys) IN rows."""
        single = len(keys) == 1
        left = self.quote_name(keys[0]) if single else f"({self.quote_names(keys)})"
        values = ", ".join([self._placeholder if single else self._placeholders(len(keys))] * count)
        listed = values if single else self._row_list.format(rows=values)
        return (
            f"SELECT {self.quote_names(columns)} FROM {table.name} WHERE {left} IN ({listed}) "
            f"ORDER BY {self.quote_names(keys)}{self._lock if lock else ''}"
        )


def set_clause(sets: Mapping[str, str], *, table: str, new: Mapping[str, str], functions: Mapping[str, str]) -> str:
    """The SET list of an upsert."""
    return ", ".join(
        f"{column} = {expression.format(t=table, **functions, **new)}" for column, expression in sets.items()
    )
