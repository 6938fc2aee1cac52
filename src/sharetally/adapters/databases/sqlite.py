"""SQLite on the standard library's driver: one writer thread, two readers, one process.

Durable and fast enough: WAL, synchronous FULL, BEGIN IMMEDIATE, a log bounded at 64 MiB. Two writing processes would
starve each other, so a second one is refused (see `wiring`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite

from sharetally.adapters.databases.connection import Connection, Statements, in_transaction
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import MICROS, NOW
from sharetally.domain.errors import DataRejected, SharetallyError, TransientConflict, Unavailable

READER_COUNT = 2
WAL_LIMIT_BYTES = 64 * 1024 * 1024
_FUNCTIONS = {"greatest": "max", "now": NOW["sqlite"], "micros": MICROS["sqlite"]}
_DUPLICATE_KEY_CODES = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
# The driver raises the last two itself: for a lone surrogate, and for a number beyond 64 bits
_DRIVER_ERRORS = (sqlite3.Error, UnicodeEncodeError, OverflowError)
T = TypeVar("T")


def translate_error(error: Exception) -> SharetallyError:
    """Our error for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _DUPLICATE_KEY_CODES or code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return TransientConflict(str(error))
    if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # which is a faulty statement
        disk_full = code == sqlite3.SQLITE_FULL
        return Unavailable(
            "the disk is full" if disk_full else "the database does not answer", retry_after=5 if disk_full else 1
        )
    return DataRejected(f"{error.__class__.__name__}: {error}")


class SqliteDriver:
    """One connection on a thread of its own. Methods return coroutines that wait until the thread has done the work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def fetch(self, sql: str, arguments: Sequence[object]) -> Coroutine[Any, Any, list[Row]]:
        """Run a query."""
        return self.call(lambda c: [dict(row) for row in c.execute(sql, arguments).fetchall()])

    def execute(self, sql: str, arguments: Sequence[object] = ()) -> Coroutine[Any, Any, int]:
        """Run a statement."""
        return self.call(lambda c: c.execute(sql, arguments).rowcount)

    def insert(self, sql: str, values: Sequence[Any]) -> Coroutine[Any, Any, None]:
        """Insert rows into one table."""
        return self.execute_many(sql, values)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> Coroutine[Any, Any, None]:
        """Run a statement once per row, for all rows in one call to the thread."""
        return self.call(lambda c: c.executemany(sql, rows).close())

    def select(self, sql: str, keys: Sequence[Sequence[object]]) -> Coroutine[Any, Any, list[Row]]:
        """Pass the values of all keys, one after another."""
        return self.fetch(sql, [value for key in keys for value in key])

    async def call(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run the operation on the thread, and translate its errors."""
        if self._closed:
            raise Unavailable("the database is closed")

        def run() -> T:
            if self._connection is None:
                self._connection = open_connection(self._path)
            return operation(self._connection)

        try:
            # A COMMIT or ROLLBACK that waits for the thread must not be dropped with whoever waits for it.
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._executor, run))
        except _DRIVER_ERRORS as error:
            raise translate_error(error) from error

    async def close(self) -> None:
        """Close the connection, then end the thread."""
        if self._connection is not None:
            await self.call(lambda connection: connection.close())
            self._connection = None
        self._closed = True
        self._executor.shutdown(wait=False)


def open_connection(path: Path) -> sqlite3.Connection:
    """A durable connection: WAL, synchronous FULL."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=True)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"journal_size_limit = {WAL_LIMIT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class SqliteDialect:
    """SQL that `executemany` runs once per row. There is nothing to lock, because there is one writer."""

    def __init__(self) -> None:
        self.sa_dialect: sa.Dialect = pysqlite.dialect()

    def counting(self, *, each_event: bool) -> str | None:
        """None, because SQLite cannot change rows within a WITH."""
        return None

    def inserts(self, batches: Sequence[RowBatch]) -> Sequence[tuple[str, Sequence[Any]]]:
        """One INSERT per table."""
        return [(_insert(batch.table, batch.columns), batch.rows) for batch in batches]

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """ON CONFLICT on the primary key."""
        values = {"t": table.name, **_FUNCTIONS, **{name: f'excluded."{name}"' for name in columns}}
        assignments = ", ".join(f"{column} = {expression.format(**values)}" for column, expression in sets.items())
        keys = _quoted([column.name for column in table.primary_key])
        return f"{_insert(table, columns)} ON CONFLICT ({keys}) DO UPDATE SET {assignments}"

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE of one row."""
        assignments = ", ".join(f'"{column}" = ?' for column in columns)
        return f'UPDATE {table.name} SET {assignments} WHERE "{key}" = ?'

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """SELECT of the rows whose keys are in VALUES. Only within a SELECT does SQLite search the index for them."""
        rows = ", ".join([f"({', '.join('?' * len(keys))})"] * count)
        return (
            f"SELECT {_quoted(columns)} FROM {table.name} WHERE ({_quoted(keys)}) IN "
            f"(SELECT * FROM (VALUES {rows})) ORDER BY {_quoted(keys)}"
        )


def _insert(table: sa.Table, columns: Sequence[str]) -> str:
    names, placeholders = '", "'.join(columns), ", ".join("?" * len(columns))
    return f'INSERT INTO {table.name} ("{names}") VALUES ({placeholders})'


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class SqliteEngine(Engine):
    """The writer behind a lock, the readers in a queue."""

    durable_settings = MappingProxyType({"synchronous": ("PRAGMA synchronous", frozenset({"2", "3"}))})  # FULL, EXTRA
    allows_long_snapshots = False

    def __init__(self, path: Path) -> None:
        self.dialect = SqliteDialect()
        statements = Statements(self.dialect)
        self._drivers = [SqliteDriver(path) for _ in range(1 + READER_COUNT)]
        self._writer, *readers = (Connection(driver, statements) for driver in self._drivers)
        self._write_lock = asyncio.Lock()
        self._readers: asyncio.Queue[Connection] = asyncio.Queue()
        for reader in readers:
            self._readers.put_nowait(reader)

    async def open(self) -> None:
        """Open the file, or create it."""
        await self._writer.driver.execute("SELECT 1")

    async def close(self) -> None:
        """Close all connections; the last one folds the log into the file."""
        for driver in reversed(self._drivers):
            await driver.close()

    @asynccontextmanager
    async def read_connection(self) -> AsyncIterator[Connection]:
        """One of the readers."""
        reader = await self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)

    @asynccontextmanager
    async def write_transaction(self) -> AsyncIterator[Connection]:
        """The writer, one transaction at a time."""
        async with self._write_lock, in_transaction(self._writer, "BEGIN IMMEDIATE"):
            yield self._writer

    @asynccontextmanager
    async def snapshot(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A read transaction; keep even a `long` one short, because the log grows while it lasts."""
        async with self.read_connection() as connection, in_transaction(connection, "BEGIN"):
            yield connection
