"""The operations in which every statement of this package is written.

A `Driver` talks to one database, and a `Dialect` writes its SQL; `Connection` joins the two, so that each store
contains its statements once. Rows that are read are mappings. Rows that are written many at a time are built once, as
tuples of what the driver takes (`RowBatch`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa

from sharetally.adapters.databases.driver import Dialect, Driver, Row, RowBatch, Values
from sharetally.adapters.databases.statements import Converter, StatementCompiler, result_converters
from sharetally.adapters.databases.types import Binding
from sharetally.domain.errors import CommitOutcomeUnknown, DataRejected, SharetallyError, TransientConflict

KEYS_PER_STATEMENT = 500


class Statements:
    """What the connections of one engine share: SQL and conversions, each made at its first use."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.compiler = StatementCompiler(dialect.sa_dialect)
        self.bind = Binding.of(dialect.sa_dialect)
        self._sql: dict[tuple[object, ...], str] = {}
        self._binds: dict[tuple[str, tuple[str, ...]], Sequence[tuple[int, Converter]]] = {}
        self._results: dict[str, Mapping[str, Converter]] = {}

    def sql(self, key: tuple[object, ...], make: Callable[[], str]) -> str:
        """The SQL under this key."""
        found = self._sql.get(key)
        if found is None:
            found = self._sql[key] = make()
        return found

    def bind_rows(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Values]) -> Sequence[Values]:
        """Convert the values of these columns to what the driver takes."""
        key = (table.name, columns)
        if key not in self._binds:
            found = [table.c[name].type.bind_processor(self.dialect.sa_dialect) for name in columns]
            self._binds[key] = [(index, converter) for index, converter in enumerate(found) if converter is not None]
        if not self._binds[key]:
            return rows
        bound = [list(row) for row in rows]
        for values in bound:
            for index, converter in self._binds[key]:
                values[index] = converter(values[index])
        return [tuple(values) for values in bound]

    def results_of(self, table: sa.Table) -> Mapping[str, Converter]:
        """How to convert the columns of a table from what the driver returns."""
        if table.name not in self._results:
            self._results[table.name] = result_converters(table.columns, self.dialect.sa_dialect)
        return self._results[table.name]


class Connection:
    """Statements over one driver."""

    def __init__(self, driver: Driver, statements: Statements) -> None:
        self.driver = driver
        self.dialect = statements.dialect
        self.bind = statements.bind
        self._statements = statements

    async def insert(self, *batches: RowBatch) -> None:
        """Insert rows into tables, in this order: in one statement if the database can, else in one per table."""
        if filled := [batch for batch in batches if batch.rows]:
            for sql, values in self.dialect.inserts(filled):
                await self.driver.insert(sql, values)

    async def upsert(self, batch: RowBatch, sets: Mapping[str, str]) -> None:
        """Insert rows, or change the ones that exist; see `Dialect.upsert`."""
        if batch.rows:
            sql = self._statements.sql(
                ("upsert", batch.table.name, batch.columns, *sets.items()),
                lambda: self.dialect.upsert(batch.table, batch.columns, sets),
            )
            await self.driver.execute_many(sql, batch.rows)

    async def update(self, batch: RowBatch) -> None:
        """Set the columns of the rows whose key is the last of the columns."""
        if batch.rows:
            *columns, key = batch.columns
            sql = self._statements.sql(
                ("update", batch.table.name, batch.columns), lambda: self.dialect.update(batch.table, key, columns)
            )
            await self.driver.execute_many(sql, batch.rows)

    def batch(self, table: sa.Table, rows: Sequence[Row], *, key: str = "") -> RowBatch:
        """A batch of rows that are mappings with the same columns; `key`, if one is named, becomes the last column."""
        columns = tuple(sorted(rows[0], key=lambda name: name == key)) if rows else ()
        values = [tuple(row[name] for name in columns) for row in rows]
        return RowBatch(table, columns, self._statements.bind_rows(table, columns, values))

    async def select(
        self,
        table: sa.Table,
        keys: tuple[str, ...],
        key_values: Iterable[Values],
        *,
        lock: bool = False,
        columns: tuple[str, ...] = (),
    ) -> list[Row]:
        """Return the rows with these keys, which are read, and with `lock` locked, in the order of the keys.

        If `columns` are named, the rows contain only those.
        """
        ordered = sorted(key_values)
        columns = columns or tuple(column.name for column in table.columns)
        rows: list[Row] = []
        for start in range(0, len(ordered), KEYS_PER_STATEMENT):
            chunk = ordered[start : start + KEYS_PER_STATEMENT]
            sql = self.dialect.select(table, columns, keys, len(chunk), lock=lock)
            rows += await self.driver.select(sql, self._statements.bind_rows(table, keys, chunk))
        return _convert(rows, self._statements.results_of(table))

    async def delete(self, table: sa.Table, key: str, values: Sequence[object]) -> None:
        """Delete rows by one column."""
        for start in range(0, len(values), KEYS_PER_STATEMENT):
            await self.run(table.delete().where(table.c[key].in_(values[start : start + KEYS_PER_STATEMENT])))

    async def rows(self, statement: sa.SelectBase, parameters: Row | None = None) -> list[Row]:
        """Run a SELECT and convert its columns."""
        sql, arguments, converters = self._statements.compiler.compile(statement, parameters or {})
        return _convert(await self.driver.fetch(sql, arguments), converters)

    async def rows_prepared(self, statement: sa.SelectBase, parameters: Row) -> list[Row]:
        """Run a SELECT that is a constant, with these parameters."""
        self._statements.compiler.compile_once(statement)
        return await self.rows(statement, parameters)

    async def rows_of_sql(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        """Run SQL with `:name` parameters and return the rows as the driver does."""
        sql, arguments, _ = self._statements.compiler.compile(sa.text(statement), parameters)
        return await self.driver.fetch(sql, arguments)

    async def run(self, statement: sa.Update | sa.Delete | sa.Insert, parameters: Row | None = None) -> int:
        """Run a statement that returns no rows; return how many it changed."""
        sql, arguments, _ = self._statements.compiler.compile(statement, parameters or {})
        return await self.driver.execute(sql, arguments)


def _convert(rows: Sequence[Row], converters: Mapping[str, Converter]) -> list[Row]:
    if not converters:
        return list(rows)
    return [
        {name: converters[name](value) if name in converters else value for name, value in row.items()} for row in rows
    ]


@asynccontextmanager
async def in_transaction(connection: Connection, begin: str) -> AsyncIterator[None]:
    """Begin; commit when the block ends normally, and roll back after any error.

    Nothing less than a rollback is enough: when InnoDB waits too long for a lock, it undoes only the last statement. A
    COMMIT without an answer raises `CommitOutcomeUnknown`, whatever the driver raises, because a batch that may have
    been committed must not run again unseen.
    """
    try:
        await connection.driver.execute(begin)  # inside the block, because a cancelled one may have begun
        yield
    except BaseException:
        with suppress(Exception):  # without a connection there is no transaction either
            await connection.driver.execute("ROLLBACK")
        raise
    try:
        await connection.driver.execute("COMMIT")
    except (TransientConflict, DataRejected):  # the database itself reported that it rolled back
        raise
    except Exception as error:
        detail = error.detail if isinstance(error, SharetallyError) else "the database driver failed in COMMIT"
        raise CommitOutcomeUnknown(detail) from error
