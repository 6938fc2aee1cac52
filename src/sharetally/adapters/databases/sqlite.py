"""SQLite on the standard library's driver: one writer thread, two readers, one process.

Durable and quick enough: WAL, synchronous FULL, BEGIN IMMEDIATE, a log bounded at 64 MiB. Two writing
processes would starve each other, so whoever starts a second one is told no (see `wiring`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite

from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.engine import Engine, in_transaction
from sharetally.adapters.databases.portable_sql import PortableDialect, set_clause
from sharetally.adapters.databases.statements import Row, Statements
from sharetally.adapters.databases.types import MICROS, NOW
from sharetally.domain.errors import DataRejected, SharetallyError, TransientConflict, Unavailable

READER_COUNT = 2
WAL_LIMIT_BYTES = 64 * 1024 * 1024
_FUNCTIONS = {"greatest": "max", "now": NOW["sqlite"], "micros": MICROS["sqlite"]}
_DUPLICATE_KEY_CODES = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
# The last two come before SQLite: a lone surrogate, a number that 64 bits do not hold
_DRIVER_ERRORS = (sqlite3.Error, UnicodeEncodeError, OverflowError)
T = TypeVar("T")


def translate_error(error: Exception) -> SharetallyError:
    """Say what SQLite's error means to us."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _DUPLICATE_KEY_CODES or code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return TransientConflict(str(error))
    if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # that one is the statement's
        disk_full = code == sqlite3.SQLITE_FULL
        return Unavailable(
            "the disk is full" if disk_full else "the database does not answer", retry_after=5 if disk_full else 1
        )
    return DataRejected(f"{error.__class__.__name__}: {error}")


class _ConnectionThread:
    """One thread and the one connection that lives on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def call(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step there; errors come back translated."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise Unavailable("the database is closed")
        try:
            # A COMMIT or ROLLBACK that waits for the thread must not be dropped with whoever waits for it.
            return await asyncio.shield(
                loop.run_in_executor(self._executor, lambda: operation(self._opened_connection()))
            )
        except _DRIVER_ERRORS as error:
            raise translate_error(error) from error

    def _opened_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _open_connection(self._path)
        return self._connection

    async def close(self) -> None:
        """Close the connection, then end the thread."""
        if self._connection is not None:
            await self.call(lambda connection: connection.close())
            self._connection = None
        self._closed = True
        self._executor.shutdown(wait=False)


def _open_connection(path: Path) -> sqlite3.Connection:
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


class SqliteDriver:
    """One connection on its own thread."""

    def __init__(self, thread: _ConnectionThread) -> None:
        self._thread = thread

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        return await self._thread.call(lambda c: [dict(row) for row in c.execute(sql, arguments).fetchall()])

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement."""
        return await self._thread.call(lambda c: c.execute(sql, arguments).rowcount)

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """Rows of one table."""
        await self.execute_many(sql, values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once per row, in one hop to the thread."""
        await self._thread.call(lambda c: c.executemany(sql, rows))

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Send the keys one after another."""
        return await self.fetch(sql, [value for key in keys for value in key])


class SqliteDialect(PortableDialect):
    """ON CONFLICT; nothing to lock, for there is one writer."""

    def __init__(self) -> None:
        super().__init__(
            pysqlite.dialect(), placeholder="?", quote='"', row_list="SELECT * FROM (VALUES {rows})", lock=""
        )

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """ON CONFLICT on the primary key."""
        new = {name: f"excluded.{self.quote_name(name)}" for name in columns}
        keys = self.quote_names([column.name for column in table.primary_key])
        assignments = set_clause(sets, table=table.name, new=new, functions=_FUNCTIONS)
        return f"{self.insert(table, columns)} ON CONFLICT ({keys}) DO UPDATE SET {assignments}"


class SqliteEngine(Engine):
    """The writer behind a lock, the readers in a queue."""

    allows_long_snapshots = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.dialect = SqliteDialect()
        self._statements = Statements(self.dialect.sa_dialect)
        self._writer = _ConnectionThread(path)
        self._write_lock = asyncio.Lock()
        self._readers: asyncio.Queue[_ConnectionThread] = asyncio.Queue()
        self._threads = [self._writer]

    async def open(self) -> None:
        """Open the file, making it where there is none."""
        for _ in range(READER_COUNT):
            reader = _ConnectionThread(self._path)
            self._threads.append(reader)
            self._readers.put_nowait(reader)
        await self._writer.call(lambda connection: connection.execute("SELECT 1"))

    async def close(self) -> None:
        """Close all connections; the last one folds the log into the file."""
        for thread in reversed(self._threads):
            await thread.close()
        self._threads.clear()

    def _connection_on(self, thread: _ConnectionThread) -> Connection:
        return Connection(SqliteDriver(thread), self.dialect, self._statements)

    @asynccontextmanager
    async def read_connection(self) -> AsyncIterator[Connection]:
        """One of the reading threads."""
        reader = await self._readers.get()
        try:
            yield self._connection_on(reader)
        finally:
            self._readers.put_nowait(reader)

    @asynccontextmanager
    async def write_transaction(self) -> AsyncIterator[Connection]:
        """The writing thread, one transaction at a time."""
        async with self._write_lock:
            connection = self._connection_on(self._writer)
            async with in_transaction(connection, "BEGIN IMMEDIATE"):
                yield connection

    @asynccontextmanager
    async def snapshot(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A read transaction; keep even a `long` one short, for the log grows while it lasts."""
        async with self.read_connection() as connection, in_transaction(connection, "BEGIN"):
            yield connection
