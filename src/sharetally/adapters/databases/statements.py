"""Statements compiled once, and how values are converted by the types of their columns, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

Row = Mapping[str, Any]
Convert = Callable[[Any], Any]


def converted(rows: Sequence[Row], converts: Mapping[str, Convert]) -> list[Row]:
    if not converts:
        return list(rows)
    return [{name: converts[name](value) if name in converts else value for name, value in row.items()} for row in rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """A compiled statement; it holds the statement, whose id it is found by."""

    statement: sa.ClauseElement
    compiled: SQLCompiler
    binds: Mapping[str, Convert]
    results: Mapping[str, Convert]


class Statements:
    """Compiled statements and conversions of one dialect, made once and shared by its connections."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._texts: dict[tuple[object, ...], str] = {}
        self._binds: dict[tuple[str, str], Convert | None] = {}
        self._kept: dict[int, _Made] = {}
        self._results: dict[str, Mapping[str, Convert]] = {}

    def text(self, key: tuple[object, ...], make: Callable[[], str]) -> str:
        """Return the statement under this key, made at its first use."""
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = make()
        return found

    def compiled(self, statement: sa.ClauseElement, parameters: Row) -> tuple[str, list[object], Mapping[str, Convert]]:
        """Return SQL, its arguments in order, and how to convert what it returns."""
        made = self._kept.get(id(statement)) or self._made(statement)
        expanded = made.compiled.construct_expanded_state(dict(parameters), escape_names=False)
        values = expanded.parameters
        converts = {**made.binds, **expanded.processors}
        arguments = [
            converts[name](values[name]) if name in converts else values[name] for name in expanded.positiontup or ()
        ]
        return expanded.statement, arguments, made.results

    def keep(self, statement: sa.ClauseElement) -> None:
        """Compile a statement once and for all: one that is a constant, its values named."""
        if id(statement) not in self._kept:
            self._kept[id(statement)] = self._made(statement)

    def _made(self, statement: sa.ClauseElement) -> _Made:
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        results = _result_converts(getattr(statement, "selected_columns", ()), self._dialect)
        binds = _bind_converts(compiled, self._dialect)
        return _Made(statement=statement, compiled=compiled, binds=binds, results=results)

    def bound(self, table: sa.Table, columns: Sequence[str], rows: Sequence[Row]) -> list[tuple[object, ...]]:
        """Return the rows as tuples in the order of the columns, converted for the driver."""
        taken = list(map(_taker(columns), rows))
        converts = [(place, convert) for place, name in enumerate(columns) if (convert := self._bind(table, name))]
        return [_with(row, converts) for row in taken] if converts else taken

    def bound_keys(
        self, table: sa.Table, columns: Sequence[str], keys: Sequence[Sequence[object]]
    ) -> Sequence[Sequence[object]]:
        """Return keys converted for the driver."""
        converts = [(place, convert) for place, name in enumerate(columns) if (convert := self._bind(table, name))]
        return [_with(key, converts) for key in keys] if converts else keys

    def _bind(self, table: sa.Table, name: str) -> Convert | None:
        key = (table.name, name)
        if key not in self._binds:
            self._binds[key] = table.c[name].type.bind_processor(self._dialect)
        return self._binds[key]

    def results(self, table: sa.Table) -> Mapping[str, Convert]:
        """How to convert the columns of a table."""
        if table.name not in self._results:
            self._results[table.name] = _result_converts(table.columns, self._dialect)
        return self._results[table.name]


def _taker(columns: Sequence[str]) -> Callable[[Row], tuple[object, ...]]:
    """Takes these columns out of a row; of a single one `itemgetter` would make no tuple."""
    if len(columns) == 1:
        (name,) = columns
        return lambda row: (row[name],)
    return itemgetter(*columns)


def _with(row: Sequence[object], converts: Sequence[tuple[int, Convert]]) -> tuple[object, ...]:
    values = list(row)
    for place, convert in converts:
        values[place] = convert(values[place])
    return tuple(values)


def _bind_converts(compiled: Any, dialect: sa.Dialect) -> dict[str, Convert]:
    """By name; the values of an IN list have names of their own, which SQLAlchemy tells when it expands them."""
    found = {name: bind.type.bind_processor(dialect) for bind, name in compiled.bind_names.items()}
    return {name: convert for name, convert in found.items() if convert is not None}


def _result_converts(columns: Iterable[Any], dialect: sa.Dialect) -> Mapping[str, Convert]:
    found = {column.key: column.type.result_processor(dialect, None) for column in columns}
    return {name: convert for name, convert in found.items() if convert is not None}
