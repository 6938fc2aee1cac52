"""The operations that every statement of this package is written in.

A `Driver` talks to one database over one open connection; a `Dialect` writes what the databases write differently.
`Connection` joins the two, so that each store contains its statements once. Rows that are read are mappings. Rows
that are written many at a time are built once, as tuples of what the driver takes (`RowBatch`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from sharetally.adapters.databases.statements import Row, Statements, convert_rows
from sharetally.domain.errors import CommitOutcomeUnknown, DataRejected, SharetallyError, TransientConflict, Unavailable

KEYS_PER_STATEMENT = 500


class RowBatch(NamedTuple):
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
        """Run one of `Dialect.inserts`."""
        ...

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one of `Dialect.upsert` or `update` for all rows at once."""
        ...

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Run what `Dialect.select` wrote for these keys."""
        ...


class Dialect(Protocol):
    """How one database writes what SQL has no common word for."""

    @property
    def sa_dialect(self) -> sa.Dialect:
        """Compiles SQLAlchemy statements and converts values."""
        ...

    def counting(self, *, each_event: bool) -> str | None:
        """All of counting in one statement over ids and job names, where the database can.

        With `each_event` it returns the counted events and the new totals, too.
        """
        ...

    def inserts(self, batches: Sequence[RowBatch]) -> Sequence[tuple[str, Sequence[Any]]]:
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

    def __init__(self, driver: Driver, dialect: Dialect, statements: Statements) -> None:
        self.driver = driver
        self.dialect = dialect
        self.bind = statements.bind
        self._statements = statements
        self._savepoint_count = 0

    async def rows(self, statement: sa.SelectBase, parameters: Row | None = None) -> list[Row]:
        """Run a SELECT and convert its columns."""
        sql, arguments, converters = self._statements.compile(statement, parameters or {})
        rows = await self.driver.fetch(sql, arguments)
        return convert_rows(rows, converters)

    async def rows_prepared(self, statement: sa.SelectBase, parameters: Row) -> list[Row]:
        """Run a SELECT that is a constant, with these values for its names."""
        self._statements.compile_once(statement)
        return await self.rows(statement, parameters)

    async def run(self, statement: sa.Update | sa.Delete | sa.Insert, parameters: Row | None = None) -> int:
        """Run a statement that returns no rows; return how many it touched."""
        sql, arguments, _ = self._statements.compile(statement, parameters or {})
        return await self.driver.execute(sql, arguments)

    async def insert_rows(self, *batches: RowBatch) -> None:
        """Insert rows into tables, in this order: in one statement where the database can, else one per table."""
        if filled := [batch for batch in batches if batch.rows]:
            for sql, values in self.dialect.inserts(filled):
                await self.driver.insert(sql, values)

    async def upsert_rows(self, batch: RowBatch, sets: Mapping[str, str]) -> None:
        """Insert rows, or change the ones that exist; see `Dialect.upsert`."""
        if batch.rows:
            sql = self._statements.cached_sql(
                ("upsert", batch.table.name, batch.columns, *sets.items()),
                lambda: self.dialect.upsert(batch.table, batch.columns, sets),
            )
            await self.driver.execute_many(sql, batch.rows)

    async def update_rows(self, batch: RowBatch) -> None:
        """Set the columns of the rows whose key is the last of the columns."""
        if batch.rows:
            *columns, key = batch.columns
            sql = self._statements.cached_sql(
                ("update", batch.table.name, batch.columns), lambda: self.dialect.update(batch.table, key, columns)
            )
            await self.driver.execute_many(sql, batch.rows)

    async def insert(self, *batches: tuple[sa.Table, Sequence[Row]]) -> None:
        """Insert rows that are mappings; the rows of one table all have the same columns."""
        await self.insert_rows(*(self._row_batch(table, tuple(rows[0]), rows) for table, rows in batches if rows))

    async def upsert(self, table: sa.Table, rows: Sequence[Row], sets: Mapping[str, str]) -> None:
        """Insert rows that are mappings, or change the ones that exist."""
        if rows:
            await self.upsert_rows(self._row_batch(table, tuple(rows[0]), rows), sets)

    async def update(self, table: sa.Table, key: str, rows: Sequence[Row]) -> None:
        """Set all other columns of the rows with these keys, from mappings."""
        if rows:
            columns = tuple(name for name in rows[0] if name != key)
            await self.update_rows(self._row_batch(table, (*columns, key), rows))

    def _row_batch(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> RowBatch:
        return RowBatch(table, columns, self._statements.bind_rows(table, columns, rows))

    async def select(
        self,
        table: sa.Table,
        keys: Sequence[str],
        key_values: Iterable[Sequence[object]],
        *,
        lock: bool = False,
        columns: tuple[str, ...] = (),
    ) -> list[Row]:
        """Return the rows with the wanted keys, looked up (with `lock`: locked) in the order of the keys.

        Only these columns, where some are named.
        """
        ordered = sorted(key_values)  # type: ignore[type-var]
        columns = columns or tuple(column.name for column in table.columns)
        rows: list[Row] = []
        for start in range(0, len(ordered), KEYS_PER_STATEMENT):
            chunk = ordered[start : start + KEYS_PER_STATEMENT]
            sql = self.dialect.select(table, columns, keys, len(chunk), lock=lock)
            bound_keys = self._statements.bind_keys(table, keys, chunk)
            rows += await self.driver.select(sql, bound_keys)
        return convert_rows(rows, self._statements.result_converters(table))

    async def delete(self, table: sa.Table, key: str, values: Sequence[object]) -> None:
        """Delete rows by one column."""
        for start in range(0, len(values), KEYS_PER_STATEMENT):
            await self.run(table.delete().where(table.c[key].in_(values[start : start + KEYS_PER_STATEMENT])))

    async def rows_of_sql(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        """Run SQL with `:name` parameters; rows as the driver gives them."""
        sql, arguments, _ = self._statements.compile(sa.text(statement), parameters)
        return await self.driver.fetch(sql, arguments)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that can fail alone; parts may hold parts, each of a name of its own, for MySQL forgets the outer."""
        self._savepoint_count += 1
        name = f"part_{self._savepoint_count}"
        await self.driver.execute(f"SAVEPOINT {name}")
        try:
            yield
            await self.driver.execute(f"RELEASE SAVEPOINT {name}")  # fails where an error before it was swallowed
        except Exception:
            try:
                await self.driver.execute(f"ROLLBACK TO SAVEPOINT {name}")
            except (DataRejected, Unavailable) as error:
                # A deadlock ends the whole transaction in InnoDB, savepoints included, and what follows would be
                # committed statement by statement. A cancelled statement of asyncmy ends the connection as well.
                raise TransientConflict("the transaction ended inside its savepoint") from error
            raise


@asynccontextmanager
async def in_transaction(connection: Connection, begin: str) -> AsyncIterator[None]:
    """Begin; commit when the block is left normally, roll back after any error.

    Nothing less than a rollback would do: InnoDB undoes only the last statement when a lock is not had in time. A
    COMMIT that nobody answered raises `CommitOutcomeUnknown`, whatever class of error the driver has for that: a
    batch whose COMMIT may have arrived must not run again unseen.
    """
    try:
        await connection.driver.execute(begin)  # in here, for one that is cancelled may have begun
        yield
    except BaseException:
        with suppress(Exception):  # without a connection there is no transaction either
            await connection.driver.execute("ROLLBACK")
        raise
    try:
        await connection.driver.execute("COMMIT")
    except (TransientConflict, DataRejected):  # the database itself said that it rolled back
        raise
    except Exception as error:
        detail = error.detail if isinstance(error, SharetallyError) else "the database driver failed in COMMIT"
        raise CommitOutcomeUnknown(detail) from error
