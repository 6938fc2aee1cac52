"""Statements compiled once, and how values are converted by the types of their columns, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from sharetally.adapters.databases.types import Id, UtcTime

Row = Mapping[str, Any]
Converter = Callable[[Any], Any]


def convert_rows(rows: Sequence[Row], converters: Mapping[str, Converter]) -> list[Row]:
    if not converters:
        return list(rows)
    return [
        {name: converters[name](value) if name in converters else value for name, value in row.items()} for row in rows
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """How a driver takes the two types of values that databases store differently."""

    id: Converter
    time: Converter


def unchanged(value: Any) -> Any:
    """For a driver that takes the value as it is."""
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class _CompiledStatement:
    """A compiled statement; it holds the statement, whose id it is found by."""

    statement: sa.ClauseElement
    compiled: SQLCompiler
    binds: Mapping[str, Converter]
    results: Mapping[str, Converter]


class Statements:
    """Compiled statements and conversions of one dialect, made once and shared by its connections."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self.bind = Binding(
            id=Id().bind_processor(dialect) or unchanged, time=UtcTime().bind_processor(dialect) or unchanged
        )
        self._cached_sql: dict[tuple[object, ...], str] = {}
        self._table_bind_converters: dict[tuple[str, str], Converter | None] = {}
        self._compiled_once: dict[int, _CompiledStatement] = {}
        self._table_result_converters: dict[str, Mapping[str, Converter]] = {}

    def cached_sql(self, key: tuple[object, ...], make: Callable[[], str]) -> str:
        """Return the statement under this key, made at its first use."""
        found = self._cached_sql.get(key)
        if found is None:
            found = self._cached_sql[key] = make()
        return found

    def compile(
        self, statement: sa.ClauseElement, parameters: Row
    ) -> tuple[str, list[object], Mapping[str, Converter]]:
        """Return SQL, its arguments in order, and how to convert what it returns."""
        compiled_statement = self._compiled_once.get(id(statement)) or self._compile(statement)
        expanded = compiled_statement.compiled.construct_expanded_state(dict(parameters), escape_names=False)
        values = expanded.parameters
        converters = {**compiled_statement.binds, **expanded.processors}
        arguments = [
            converters[name](values[name]) if name in converters else values[name]
            for name in expanded.positiontup or ()
        ]
        return expanded.statement, arguments, compiled_statement.results

    def compile_once(self, statement: sa.ClauseElement) -> None:
        """Compile a statement once and for all: one that is a constant, its values named."""
        if id(statement) not in self._compiled_once:
            self._compiled_once[id(statement)] = self._compile(statement)

    def _compile(self, statement: sa.ClauseElement) -> _CompiledStatement:
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        results = _result_converters_of(getattr(statement, "selected_columns", ()), self._dialect)
        found = {name: bind.type.bind_processor(self._dialect) for bind, name in compiled.bind_names.items()}
        # Values of an IN list have names of their own, which SQLAlchemy reports when it expands the list.
        binds = {name: converter for name, converter in found.items() if converter is not None}
        return _CompiledStatement(statement=statement, compiled=compiled, binds=binds, results=results)

    def bind_rows(self, table: sa.Table, columns: Sequence[str], rows: Sequence[Row]) -> list[tuple[object, ...]]:
        """Return the rows as tuples in the order of the columns, converted for the driver."""
        tuples = [tuple(row[name] for name in columns) for row in rows]
        converters = [
            (index, converter) for index, name in enumerate(columns) if (converter := self._bind_converter(table, name))
        ]
        return [_convert_values(row, converters) for row in tuples] if converters else tuples

    def bind_keys(
        self, table: sa.Table, columns: Sequence[str], keys: Sequence[Sequence[object]]
    ) -> Sequence[Sequence[object]]:
        """Return keys converted for the driver."""
        converters = [
            (index, converter) for index, name in enumerate(columns) if (converter := self._bind_converter(table, name))
        ]
        return [_convert_values(key, converters) for key in keys] if converters else keys

    def _bind_converter(self, table: sa.Table, name: str) -> Converter | None:
        key = (table.name, name)
        if key not in self._table_bind_converters:
            self._table_bind_converters[key] = table.c[name].type.bind_processor(self._dialect)
        return self._table_bind_converters[key]

    def result_converters(self, table: sa.Table) -> Mapping[str, Converter]:
        """How to convert the columns of a table."""
        if table.name not in self._table_result_converters:
            self._table_result_converters[table.name] = _result_converters_of(table.columns, self._dialect)
        return self._table_result_converters[table.name]


def _convert_values(row: Sequence[object], converters: Sequence[tuple[int, Converter]]) -> tuple[object, ...]:
    values = list(row)
    for index, converter in converters:
        values[index] = converter(values[index])
    return tuple(values)


def _result_converters_of(columns: Iterable[Any], dialect: sa.Dialect) -> Mapping[str, Converter]:
    found = {column.key: column.type.result_processor(dialect, None) for column in columns}
    return {name: converter for name, converter in found.items() if converter is not None}
