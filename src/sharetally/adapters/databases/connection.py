"""The verbs that every statement of this package is written in.

A `Driver` speaks to one database over one open connection; a `Flavor` is how that database writes the
few things SQL has no common word for. `Connection` joins the two, so that `ledger`, `counting`,
`outbox`, `reading` and `proving` hold each statement once. Rows are mappings; values are converted by
the types of the columns, both ways.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from sharetally.domain.errors import DataRefused, RunAgain, Unavailable

Row = Mapping[str, Any]
Convert = Callable[[Any], Any]
KEYS_A_STATEMENT = 500


class Part(NamedTuple):
    """Rows for one table: tuples in the order of the columns, converted for the driver."""

    table: sa.Table
    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


class Driver(Protocol):
    """One open connection. Every method raises errors of `domain.errors` only."""

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        ...

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement; return how many rows it touched."""
        ...

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """Run one of `Flavor.inserts`."""
        ...

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one of `Flavor.upsert` or `update` for all rows at once."""
        ...

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Run what `Flavor.select` wrote for these keys."""
        ...


class Flavor(Protocol):
    """How one database writes what SQL has no common word for."""

    @property
    def dialect(self) -> sa.Dialect:
        """Compiles SQLAlchemy statements and converts values."""
        ...

    @property
    def counting(self) -> str | None:
        """All of counting in one statement over ids and job names, where the database can."""
        ...

    def inserts(self, parts: Sequence[Part]) -> Sequence[tuple[str, Sequence[Any]]]:
        """INSERTs of these rows, in order, each with what `Driver.insert` takes: as few statements as there may be."""
        ...

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """INSERT, or by primary key UPDATE. In `sets`, `{x}` is the new value of column x, `{t}` the table."""
        ...

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE of many rows by one key; values come in the order columns, key."""
        ...

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """SELECT of the rows with `count` keys, which come sorted; with `lock`, FOR UPDATE in their order."""
        ...


class Connection:
    """Statements over one driver."""

    def __init__(self, driver: Driver, flavor: Flavor, statements: Statements) -> None:
        self.driver = driver
        self.flavor = flavor
        self._statements = statements
        self._parts = 0

    async def rows(self, statement: sa.SelectBase, parameters: Row | None = None) -> list[Row]:
        """Run a SELECT and convert its columns."""
        sql, arguments, converts = self._statements.compiled(statement, parameters or {})
        found = await self.driver.fetch(sql, arguments)
        return _converted(found, converts)

    async def kept(self, statement: sa.SelectBase, parameters: Row) -> list[Row]:
        """Run a SELECT that is a constant, with these values for its names."""
        self._statements.keep(statement)
        return await self.rows(statement, parameters)

    async def run(self, statement: sa.Update | sa.Delete | sa.Insert, parameters: Row | None = None) -> int:
        """Run a statement that returns no rows; return how many it touched."""
        sql, arguments, _ = self._statements.compiled(statement, parameters or {})
        return await self.driver.execute(sql, arguments)

    async def insert(self, *parts: tuple[sa.Table, Sequence[Row]]) -> None:
        """Insert rows into tables, in this order; the rows of one table all have the same columns."""
        bound = [self._part(table, rows) for table, rows in parts if rows]
        for sql, values in self.flavor.inserts(bound) if bound else ():
            await self.driver.insert(sql, values)

    def _part(self, table: sa.Table, rows: Sequence[Row]) -> Part:
        columns = tuple(rows[0])
        return Part(table, columns, self._statements.bound(table, columns, rows))

    async def upsert(self, table: sa.Table, rows: Sequence[Row], sets: Mapping[str, str]) -> None:
        """Insert rows, or change the ones that stand there; see `Flavor.upsert`."""
        if rows:
            columns = tuple(rows[0])
            sql = self._statements.text(
                ("upsert", table.name, columns, tuple(sets)), lambda: self.flavor.upsert(table, columns, sets)
            )
            await self.driver.many(sql, self._statements.bound(table, columns, rows))

    async def update(self, table: sa.Table, key: str, rows: Sequence[Row]) -> None:
        """Set all other columns of the rows with these keys."""
        if rows:
            columns = tuple(name for name in rows[0] if name != key)
            sql = self._statements.text(
                ("update", table.name, columns), lambda: self.flavor.update(table, key, columns)
            )
            await self.driver.many(sql, self._statements.bound(table, (*columns, key), rows))

    async def select(
        self,
        table: sa.Table,
        keys: Sequence[str],
        wanted: Iterable[Sequence[object]],
        *,
        lock: bool = False,
        where: str = "",
    ) -> list[Row]:
        """Return the rows with the wanted keys, looked up (with `lock`: locked) in the order of the keys."""
        ordered = sorted(wanted)  # type: ignore[type-var]
        columns = tuple(column.name for column in table.columns)
        found: list[Row] = []
        for start in range(0, len(ordered), KEYS_A_STATEMENT):
            part = ordered[start : start + KEYS_A_STATEMENT]
            sql = self.flavor.select(table, columns, keys, len(part), lock=lock)
            bound = self._statements.bound_keys(table, keys, part)
            found += await self.driver.select(sql, bound)
        return _converted(found, self._statements.results(table))

    async def delete(self, table: sa.Table, key: str, values: Sequence[object]) -> None:
        """Delete rows by one column."""
        for start in range(0, len(values), KEYS_A_STATEMENT):
            await self.run(table.delete().where(table.c[key].in_(values[start : start + KEYS_A_STATEMENT])))

    async def text(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        """Run SQL with `:name` parameters; rows as the driver gives them."""
        sql, arguments, _ = self._statements.compiled(sa.text(statement), parameters)
        return await self.driver.fetch(sql, arguments)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that can fail alone; parts may hold parts, each of a name of its own, for MySQL forgets the outer."""
        self._parts += 1
        name = f"part_{self._parts}"
        await self.driver.execute(f"SAVEPOINT {name}")
        try:
            yield
            await self.driver.execute(f"RELEASE SAVEPOINT {name}")  # fails where an error before it was swallowed
        except Exception:
            await self._back_to(name)
            raise

    async def _back_to(self, name: str) -> None:
        """A deadlock ends a whole transaction in InnoDB, savepoints and all; what follows would commit by itself.

        A statement of asyncmy's that is cancelled ends the connection, and the transaction with it.
        """
        try:
            await self.driver.execute(f"ROLLBACK TO SAVEPOINT {name}")
        except (DataRefused, Unavailable) as gone:
            raise RunAgain("the transaction ended inside its savepoint") from gone


def _converted(rows: Sequence[Row], converts: Mapping[str, Convert]) -> list[Row]:
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
    """Compiled statements and conversions of one flavor, made once and shared by its connections."""

    def __init__(self, flavor: Flavor) -> None:
        self._dialect = flavor.dialect
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
