"""PostgreSQL over asyncpg: errors, connections and transactions.

Connections run at READ COMMITTED in UTC, and wait at most five seconds for a lock and thirty for a response.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from types import MappingProxyType
from typing import Any

import asyncpg

from sharetally.adapters.databases.connection import Connection, Statements, in_transaction
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import PooledEngine
from sharetally.adapters.databases.postgresql_dialect import PostgresqlDialect
from sharetally.domain.errors import DataRejected, SharetallyError, TransientConflict, Unavailable

POOL_SIZE = 10
ACQUIRE_TIMEOUT_SECONDS = 5.0
STATEMENT_TIMEOUT_SECONDS = 30.0
LONG_STATEMENT_TIMEOUT_SECONDS = 4 * 3600.0  # for statements that read whole tables
IDLE_TIMEOUT_SECONDS = 30  # of a transaction; a client that has vanished must not keep its locks

# 40001 serialization failure, 40P01 deadlock, 55P03 lock not available, 23505 unique violation
_CONFLICT_CODES = frozenset({"40001", "40P01", "55P03", "23505"})
_UNAVAILABLE_CODES = ("08", "40", "53", "57", "58", "25006", "25P03", "XX001")
# asyncpg and uvloop raise the last four when the connection ends while it is used
_DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
    asyncpg.InternalClientError,
    EOFError,
    RuntimeError,
    asyncio.InvalidStateError,
)


def translate_error(error: BaseException) -> SharetallyError:
    """Our error for an error of the driver, by its SQLSTATE."""
    state = getattr(error, "sqlstate", None)
    if state in _CONFLICT_CODES:
        return TransientConflict(state)
    if isinstance(error, ValueError):  # asyncpg itself refused an argument
        return DataRejected(f"22000: {type(error).__name__}")
    if state is None or state.startswith(_UNAVAILABLE_CODES):
        return Unavailable("the database does not answer")
    return DataRejected(f"{state}: {type(error).__name__}")


class PostgresqlDriver:
    """One asyncpg connection. When a response does not arrive in time, it is `broken` and sends nothing more."""

    def __init__(self, connection: asyncpg.Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self.broken = False

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        with self._translating_errors():
            return await self._connection.fetch(sql, *arguments, timeout=self._timeout)  # type: ignore[no-any-return]

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement; the command tag in the response ends with the number of rows."""
        with self._translating_errors():
            command_tag = await self._connection.execute(sql, *arguments, timeout=self._timeout)
        row_count = command_tag.rsplit(" ", 1)[-1]
        return int(row_count) if row_count.isdigit() else 0

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        if self.broken:
            raise Unavailable("the database did not answer")
        try:
            yield
        except _DRIVER_ERRORS as error:
            self.broken = isinstance(error, TimeoutError)
            raise translate_error(error) from error
        except Exception:
            self.broken = True  # the state of the connection is unknown
            raise

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """One statement for all tables."""
        await self.execute(sql, values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Send the rows as one array per column."""
        await self.execute(sql, list(zip(*rows, strict=True)))

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Send the keys as one array per column."""
        return await self.fetch(sql, list(zip(*keys, strict=True)))


class PostgresqlEngine(PooledEngine):
    """A pool of asyncpg connections."""

    durable_settings = MappingProxyType(
        {
            "synchronous_commit": (
                "SELECT current_setting('synchronous_commit')",
                frozenset({"on", "local", "remote_write", "remote_apply"}),
            ),
            "fsync": ("SELECT current_setting('fsync')", frozenset({"on"})),
        }
    )

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._idle: list[asyncpg.Connection] = []  # taken from the pool, but not in use
        self._waiters = 0  # how many tasks wait for the pool
        self.dialect = PostgresqlDialect()
        self._statements = Statements(self.dialect)

    async def open(self) -> None:
        """Connect once; the pool grows as needed."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=ACQUIRE_TIMEOUT_SECONDS,
                command_timeout=STATEMENT_TIMEOUT_SECONDS,
                reset=_rollback_open_transaction,
                server_settings={
                    "application_name": "sharetally",
                    "default_transaction_isolation": "read committed",
                    "lock_timeout": "5000",
                    "idle_in_transaction_session_timeout": f"{IDLE_TIMEOUT_SECONDS}s",
                    "TimeZone": "UTC",
                },
            )
        except _DRIVER_ERRORS as error:
            raise Unavailable(f"PostgreSQL does not let us in: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close every connection, within five seconds."""
        while self._idle:
            await self._release(self._idle.pop())
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), ACQUIRE_TIMEOUT_SECONDS)
            except (TimeoutError, asyncpg.InterfaceError):
                pool.terminate()

    @asynccontextmanager
    async def connect(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A connection outside any transaction: each statement is its own."""
        if self._pool is None:
            raise Unavailable("the database is closed")
        raw = await self._acquire(self._pool)
        driver = PostgresqlDriver(raw, LONG_STATEMENT_TIMEOUT_SECONDS if long else STATEMENT_TIMEOUT_SECONDS)
        try:
            yield Connection(driver, self._statements)
        finally:
            if driver.broken:
                _terminate(raw)
            if self._pool is not None and not self._waiters and _is_idle(raw):
                self._idle.append(raw)
            else:
                await self._release(raw)

    async def _acquire(self, pool: asyncpg.Pool) -> asyncpg.Connection:
        """Return an idle connection, which is faster, or one of the pool, which starts a task for every return."""
        while self._idle:
            raw = self._idle.pop()
            if _is_idle(raw):
                return raw
            await self._release(raw)
        self._waiters += 1
        try:
            return await pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
        except _DRIVER_ERRORS as error:
            raise Unavailable("no database connection is free or to be had") from error
        finally:
            self._waiters -= 1

    async def _release(self, raw: asyncpg.Connection) -> None:
        try:
            if self._pool is not None:
                await self._pool.release(raw)
        except _DRIVER_ERRORS:
            _terminate(raw)

    @asynccontextmanager
    async def write_transaction(self) -> AsyncIterator[Connection]:
        """A transaction at READ COMMITTED, without sequential scans: a cached plan outlives the growth of a table."""
        begin = "BEGIN; SET LOCAL enable_seqscan = off"
        async with self.connect() as connection, in_transaction(connection, begin):
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """One view of everything while the block lasts; it locks nothing."""
        async with (
            self.read_connection(long=long) as connection,
            in_transaction(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        ):
            yield connection


def _is_idle(connection: asyncpg.Connection) -> bool:
    """Whether the connection can be used again as it is."""
    try:
        return not connection.is_closed() and not connection.is_in_transaction()
    except asyncpg.InterfaceError:  # it has ended, and the pool has noticed
        return False


def _terminate(connection: asyncpg.Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # it has ended, and the pool has noticed
        connection.terminate()


async def _rollback_open_transaction(connection: asyncpg.Connection) -> None:
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
