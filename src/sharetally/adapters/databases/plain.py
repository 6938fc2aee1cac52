"""What SQLite, MySQL and MariaDB write alike: VALUES with a placeholder per value, IN lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases.connection import Part


class PlainFlavor:
    """Statements for `executemany`.

    `sign` is the placeholder, `quote` goes around names, `rows` says how an IN list holds rows.
    """

    def __init__(self, dialect: sa.Dialect, *, sign: str, quote: str, rows: str, lock: str) -> None:
        self.dialect = dialect
        self.counting: str | None = None
        self._sign = sign
        self._quote = quote
        self._rows = rows
        self._lock = lock

    def name(self, column: str) -> str:
        """A quoted name."""
        return f"{self._quote}{column}{self._quote}"

    def names(self, columns: Sequence[str]) -> str:
        """Quoted names, separated."""
        return ", ".join(self.name(column) for column in columns)

    def _signs(self, count: int) -> str:
        return "(" + ", ".join([self._sign] * count) + ")"

    def inserts(self, parts: Sequence[Part]) -> Sequence[tuple[str, Sequence[Any]]]:
        """One INSERT a table, for all its rows."""
        return [(self.insert(part.table, part.columns), part.rows) for part in parts]

    def insert(self, table: sa.Table, columns: Sequence[str]) -> str:
        """INSERT … VALUES, for one row."""
        return f"INSERT INTO {table.name} ({self.names(columns)}) VALUES {self._signs(len(columns))}"

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE … WHERE key, for one row."""
        changes = ", ".join(f"{self.name(column)} = {self._sign}" for column in columns)
        return f"UPDATE {table.name} SET {changes} WHERE {self.name(key)} = {self._sign}"

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """WHERE (keys) IN rows."""
        single = len(keys) == 1
        left = self.name(keys[0]) if single else f"({self.names(keys)})"
        values = ", ".join([self._sign if single else self._signs(len(keys))] * count)
        listed = values if single else self._rows.format(rows=values)
        return (
            f"SELECT {self.names(columns)} FROM {table.name} WHERE {left} IN ({listed}) "
            f"ORDER BY {self.names(keys)}{self._lock if lock else ''}"
        )


def changes(sets: Mapping[str, str], *, table: str, new: Mapping[str, str], words: Mapping[str, str]) -> str:
    """The SET list of an upsert."""
    return ", ".join(f"{column} = {rule.format(t=table, **words, **new)}" for column, rule in sets.items())
