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
from sharetally.adapters.databases.engine import Engine, committed
from sharetally.adapters.databases.plain import PlainFlavor, changes
from sharetally.adapters.databases.statements import Row, Statements
from sharetally.adapters.databases.types import MICROS, NOW
from sharetally.domain.errors import DataRefused, RunAgain, SharetallyError, Unavailable

READERS = 2
LOG_BYTES = 64 * 1024 * 1024
_WORDS = {"greatest": "max", "now": NOW["sqlite"], "micros": MICROS["sqlite"]}
_TWINS = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
# The last two come before SQLite: a lone surrogate, a number that 64 bits do not hold
_FAULTS = (sqlite3.Error, UnicodeEncodeError, OverflowError)
T = TypeVar("T")


def translated(error: Exception) -> SharetallyError:
    """Say what SQLite's error means to us."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _TWINS or code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return RunAgain(str(error))
    if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # that one is the statement's
        full = code == sqlite3.SQLITE_FULL
        return Unavailable("the disk is full" if full else "the database does not answer", retry_after=5 if full else 1)
    return DataRefused(f"{error.__class__.__name__}: {error}")


class _Thread:
    """One thread and the one connection that lives on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def call(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step there; errors come back translated."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise Unavailable("the database is closed")
        try:
            # A COMMIT or ROLLBACK that waits for the thread must not be dropped with whoever waits for it.
            return await asyncio.shield(loop.run_in_executor(self._executor, lambda: step(self._open())))
        except _FAULTS as error:
            raise translated(error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connected(self._path)
        return self._connection

    async def close(self) -> None:
        """Close the connection, then end the thread."""
        if self._connection is not None:
            await self.call(lambda connection: connection.close())
            self._connection = None
        self._closed = True
        self._executor.shutdown(wait=False)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=True)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"journal_size_limit = {LOG_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class SqliteDriver:
    """One connection on its own thread."""

    def __init__(self, thread: _Thread) -> None:
        self._thread = thread

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        return await self._thread.call(lambda c: [dict(row) for row in c.execute(sql, arguments).fetchall()])

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement."""
        return await self._thread.call(lambda c: c.execute(sql, arguments).rowcount)

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """Rows of one table."""
        await self.many(sql, values)

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once per row, in one hop to the thread."""
        await self._thread.call(lambda c: c.executemany(sql, rows))

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Send the keys one after another."""
        return await self.fetch(sql, [value for key in keys for value in key])


class SqliteFlavor(PlainFlavor):
    """ON CONFLICT; nothing to lock, for there is one writer."""

    def __init__(self) -> None:
        super().__init__(pysqlite.dialect(), sign="?", quote='"', rows="SELECT * FROM (VALUES {rows})", lock="")

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """ON CONFLICT on the primary key."""
        new = {name: f"excluded.{self.name(name)}" for name in columns}
        keys = self.names([column.name for column in table.primary_key])
        rules = changes(sets, table=table.name, new=new, words=_WORDS)
        return f"{self.insert(table, columns)} ON CONFLICT ({keys}) DO UPDATE SET {rules}"


class SqliteEngine(Engine):
    """The writer behind a lock, the readers in a queue."""

    one_snapshot = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.flavor = SqliteFlavor()
        self._statements = Statements(self.flavor.dialect)
        self._writer = _Thread(path)
        self._turn = asyncio.Lock()
        self._readers: asyncio.Queue[_Thread] = asyncio.Queue()
        self._threads = [self._writer]

    async def open(self) -> None:
        """Open the file, making it where there is none."""
        for _ in range(READERS):
            reader = _Thread(self._path)
            self._threads.append(reader)
            self._readers.put_nowait(reader)
        await self._writer.call(lambda connection: connection.execute("SELECT 1"))

    async def close(self) -> None:
        """Close all connections; the last one folds the log into the file."""
        for thread in reversed(self._threads):
            await thread.close()
        self._threads.clear()

    def _over(self, thread: _Thread) -> Connection:
        return Connection(SqliteDriver(thread), self.flavor, self._statements)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """One of the reading threads."""
        reader = await self._readers.get()
        try:
            yield self._over(reader)
        finally:
            self._readers.put_nowait(reader)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """The writing thread, one transaction at a time."""
        async with self._turn:
            connection = self._over(self._writer)
            async with committed(connection, "BEGIN IMMEDIATE"):
                yield connection

    @asynccontextmanager
    async def snapshot(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A read transaction; keep even a `long` one short, for the log grows while it lasts."""
        async with self.reading() as connection, committed(connection, "BEGIN"):
            yield connection
