"""PostgreSQL: the new rows of a batch, in any number of tables, as ONE statement.

Sending rows costs what sending their values costs. So where all rows of a table have the same value (the same time,
the same action, no error) it is sent once, and a column that two tables have in common (the content item of a record
and of its audit) is sent once for both. Such a statement has few forms; each is cached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from sharetally.adapters.databases.driver import RowBatch

# Columns in which the rows of a batch mostly agree. Of each group all or none: else there were a form for each batch.
CONSTANT_COLUMNS = (
    frozenset(
        {
            "action", "at", "attempt_count", "campaign", "delta", "error_code", "error_message", "external_id",
            "external_url", "first_shared_at", "from_campaign", "from_channel", "from_evidence", "job",
            "last_shared_at", "moved", "payload", "status",
        }
    ),
    frozenset({"content_type", "evidence"}),
)  # fmt: skip
MAX_CACHED_FORMS = 200  # kept at most


class _Param(NamedTuple):
    """Where a column's values travel: `$number`, one for each row or one for all."""

    position: int
    sql_type: str
    is_array: bool

    def __str__(self) -> str:
        return f"${self.position}::{self.sql_type}{'[]' if self.is_array else ''}"


class _ArgumentPool:
    """What travels: each value or list of values once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._params: list[_Param] = []

    def param_for(self, sql_type: str, value: object, *, is_array: bool) -> _Param:
        """Where this travels; `==` of two tuples looks at identity first, so it costs little."""
        for param, existing in zip(self._params, self.values, strict=True):
            if param.sql_type == sql_type and param.is_array == is_array and existing == value:
                return param
        self.values.append(value)
        param = _Param(len(self.values), sql_type, is_array)
        self._params.append(param)
        return param


class InsertBuilder:
    """Writes the statements; `sql_type` tells a column's type as a cast names it."""

    def __init__(self, sql_type: Callable[[sa.Table, str], str]) -> None:
        self._sql_type = sql_type
        self._sql_types: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        self._cached_sql: dict[tuple[tuple[object, ...], ...], str] = {}

    def build(self, batches: Sequence[RowBatch]) -> tuple[str, list[Any]]:
        """The statement, and its arguments in order."""
        pool = _ArgumentPool()
        param_lists = [self._params_of(batch, pool) for batch in batches]
        key = tuple(
            (batch.table.name, batch.columns, tuple(params)) for batch, params in zip(batches, param_lists, strict=True)
        )
        text = self._cached_sql.get(key)
        if text is None:
            if len(self._cached_sql) >= MAX_CACHED_FORMS:
                self._cached_sql.clear()
            # Each INSERT but the last in a WITH: all see the same snapshot, and none needs another's rows.
            *earlier, last = [_insert(*each) for each in zip(batches, param_lists, strict=True)]
            common_tables = ", ".join(f"w{position} AS ({insert})" for position, insert in enumerate(earlier))
            text = self._cached_sql[key] = f"WITH {common_tables} {last}" if earlier else last
        return text, pool.values

    def _params_of(self, batch: RowBatch, pool: _ArgumentPool) -> list[_Param]:
        values_by_column = dict(zip(batch.columns, zip(*batch.rows, strict=True), strict=True))
        constants = set[str]()
        for group in CONSTANT_COLUMNS:
            columns = {name: values_by_column[name] for name in group & values_by_column.keys()}
            if all(values.count(values[0]) == len(values) for values in columns.values()):
                constants |= columns.keys()
        key = (batch.table.name, batch.columns)
        if key not in self._sql_types:
            self._sql_types[key] = [self._sql_type(batch.table, name) for name in batch.columns]
        return [
            pool.param_for(sql_type, values[0] if name in constants else values, is_array=name not in constants)
            for (name, values), sql_type in zip(values_by_column.items(), self._sql_types[key], strict=True)
        ]


def _insert(batch: RowBatch, params: Sequence[_Param]) -> str:
    """INSERT … SELECT of what differs from arrays, of what does not from single values."""
    pairs = list(zip(batch.columns, params, strict=True))
    selected = ", ".join(f'n."{name}"' if param.is_array else str(param) for name, param in pairs)
    arrays = ", ".join(str(param) for _, param in pairs if param.is_array)
    names = ", ".join(f'"{name}"' for name, param in pairs if param.is_array)
    columns = ", ".join(f'"{name}"' for name in batch.columns)
    return f"INSERT INTO {batch.table.name} ({columns}) SELECT {selected} FROM unnest({arrays}) AS n({names})"
