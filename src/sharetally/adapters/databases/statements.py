"""SQLAlchemy statements, compiled for one database. Stores read with them, and change single rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from sharetally.adapters.databases.driver import Row

Converter = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _CompiledStatement:
    """A compiled statement. It holds the statement, because it is found by the statement's id."""

    statement: sa.ClauseElement
    compiled: SQLCompiler
    binds: Mapping[str, Converter]
    results: Mapping[str, Converter]


class StatementCompiler:
    """Compiles statements for one dialect, and those that are constants only once."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._compiled_once: dict[int, _CompiledStatement] = {}

    def compile(
        self, statement: sa.ClauseElement, parameters: Row
    ) -> tuple[str, list[object], Mapping[str, Converter]]:
        """Return the SQL, its arguments in order, and how to convert the columns that it returns."""
        compiled_statement = self._compiled_once.get(id(statement)) or self._compile(statement)
        expanded = compiled_statement.compiled.construct_expanded_state(dict(parameters), escape_names=False)
        values = expanded.parameters
        # The values of an IN list get names of their own when SQLAlchemy expands the list; it returns their converters
        converters = {**compiled_statement.binds, **expanded.processors}
        arguments = [
            converters[name](values[name]) if name in converters else values[name]
            for name in expanded.positiontup or ()
        ]
        return expanded.statement, arguments, compiled_statement.results

    def compile_once(self, statement: sa.ClauseElement) -> None:
        """Compile a constant statement, whose values are parameters, and keep the result."""
        if id(statement) not in self._compiled_once:
            self._compiled_once[id(statement)] = self._compile(statement)

    def _compile(self, statement: sa.ClauseElement) -> _CompiledStatement:
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        binds = {name: bind.type.bind_processor(self._dialect) for bind, name in compiled.bind_names.items()}
        return _CompiledStatement(
            statement=statement,
            compiled=compiled,
            binds={name: converter for name, converter in binds.items() if converter is not None},
            results=result_converters(getattr(statement, "selected_columns", ()), self._dialect),
        )


def result_converters(columns: Any, dialect: sa.Dialect) -> Mapping[str, Converter]:
    """How to convert the values of these columns from what the driver returns; the others need no conversion."""
    found = {column.key: column.type.result_processor(dialect, None) for column in columns}
    return {name: converter for name, converter in found.items() if converter is not None}
