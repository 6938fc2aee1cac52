"""The SQL of PostgreSQL, where the databases differ.

Many rows travel as one array per column, and `unnest` makes rows of them again: one statement and one round trip,
however many rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from sharetally.adapters.databases.counting_postgresql import COUNTING, COUNTING_EACH_EVENT
from sharetally.adapters.databases.driver import RowBatch
from sharetally.adapters.databases.postgresql_inserts import InsertBuilder
from sharetally.adapters.databases.types import MICROS, NOW

_FUNCTIONS = {"greatest": "greatest", "now": NOW["postgresql"], "micros": MICROS["postgresql"]}


class PostgresqlDialect:
    """`unnest`, ON CONFLICT, FOR UPDATE."""

    def __init__(self) -> None:
        self.sa_dialect: sa.Dialect = dialect.dialect()  # type: ignore[no-untyped-call]
        self._insert_builder = InsertBuilder(self._sql_type)
        self._cached_selects: dict[tuple[object, ...], str] = {}

    def counting(self, *, each_event: bool) -> str | None:
        """One statement, see `counting_postgresql`."""
        return COUNTING_EACH_EVENT if each_event else COUNTING

    def _sql_type(self, table: sa.Table, name: str) -> str:
        sql_type = table.c[name].type.dialect_impl(self.sa_dialect).compile(self.sa_dialect)
        return re.sub(r"\(\d+\)| COLLATE .*", "", sql_type)  # a cast to a length would cut

    def _arrays(self, table: sa.Table, columns: Sequence[str]) -> str:
        return ", ".join(f"${position}::{self._sql_type(table, name)}[]" for position, name in enumerate(columns, 1))

    def insert(self, table: sa.Table, columns: Sequence[str]) -> str:
        """One array per column."""
        return f"INSERT INTO {table.name} ({_quote_list(columns)}) SELECT * FROM unnest({self._arrays(table, columns)})"

    def inserts(self, batches: Sequence[RowBatch]) -> Sequence[tuple[str, Sequence[Any]]]:
        """All of it as one statement."""
        return [self._insert_builder.build(batches)]

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """ON CONFLICT on the primary key."""
        names = {name: f"excluded.{_quote(name)}" for name in columns}
        set_clause = ", ".join(
            f"{name} = {expression.format(t=table.name, **_FUNCTIONS, **names)}" for name, expression in sets.items()
        )
        keys = _quote_list([column.name for column in table.primary_key])
        return f"{self.insert(table, columns)} ON CONFLICT ({keys}) DO UPDATE SET {set_clause}"

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE … FROM unnest."""
        all_columns = (*columns, key)
        set_clause = ", ".join(f"{_quote(name)} = n.{_quote(name)}" for name in columns)
        return (
            f"UPDATE {table.name} AS t SET {set_clause} FROM unnest({self._arrays(table, all_columns)}) "
            f"AS n({_quote_list(all_columns)}) WHERE t.{key} = n.{key}"
        )

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """Look each key up by itself, in the given order; the text is the same for any count.

        With a plain JOIN the planner would read the whole table once it takes it for small.
        """
        key = (table.name, columns, keys, lock)
        if key not in self._cached_selects:
            match = " AND ".join(f"t.{_quote(name)} = k.{_quote(name)}" for name in keys)
            row = f"SELECT {_quote_list(columns)} FROM {table.name} AS t WHERE {match} LIMIT 1"
            key_rows = f"unnest({self._arrays(table, keys)}) AS k({_quote_list(keys)})"
            self._cached_selects[key] = (
                f"SELECT r.* FROM {key_rows} CROSS JOIN LATERAL ({row}{' FOR UPDATE' if lock else ''}) AS r"
            )
        return self._cached_selects[key]


def _quote(name: str) -> str:
    return f'"{name}"'


def _quote_list(names: Sequence[str]) -> str:
    return ", ".join(_quote(name) for name in names)
