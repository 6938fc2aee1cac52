"""MySQL 8 and MariaDB over asyncmy: errors, connections and transactions.

Sessions run at READ COMMITTED in UTC and wait at most five seconds for a lock. The two databases differ in the names of
their collations and of some session variables; `open` finds out which of them answers.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncmy
from asyncmy import errors
from asyncmy.cursors import DictCursor

from sharetally.adapters.databases.connection import Connection, Statements, in_transaction
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import PooledEngine
from sharetally.adapters.databases.mysql_dialect import MysqlDialect
from sharetally.domain.errors import ConfigurationError, DataRejected, SharetallyError, TransientConflict, Unavailable

POOL_SIZE = 10
ACQUIRE_TIMEOUT_SECONDS = 5.0
STATEMENT_TIMEOUT_SECONDS = 30.0
LONG_STATEMENT_TIMEOUT_SECONDS = 4 * 3600.0  # for statements that read whole tables
IDLE_TIMEOUT_SECONDS = 30  # of a transaction; a client that has vanished must not keep its locks

# 1213 deadlock, 1205 lock wait timeout, 1062 duplicate entry, 3572 row locked (NOWAIT), 1020 record changed since it
# was read, 1412 table changed since the snapshot, 3101 rolled back by group replication
_CONFLICT_CODES = frozenset({1213, 1205, 1062, 3572, 1020, 1412, 3101})
# The server is gone, not ready yet, shutting down, read only, or out of memory or disk; the account has no access or
# exceeds a limit; the statement took too long or was killed; an error in COMMIT
_UNAVAILABLE_CODES = frozenset(
    {
        1021, 1023, 1026, 1030, 1037, 1040, 1041, 1045, 1047, 1049, 1053, 1114, 1129, 1130, 1152, 1158, 1159, 1160,
        1161, 1180, 1203, 1226, 1290, 1317, 1836, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024, 3100, 4031,
    }
)  # fmt: skip
# asyncmy raises the same class of error for all of these
_CONNECT_ERRORS = {
    1044: "there is no such database, or this user has no right to it",
    1045: "wrong user or password",
    1049: "there is no such database",
    2003: "nothing answers there, or TLS fails",
}
# Literals must compare like the columns, so the connection has their collation. By default, MariaDB turns a long IN
# list into a join, which would lock rows in another order than that of the index. MySQL has no time-out for idle
# transactions; there, only TCP notices that a client has vanished.
_MARIADB = {
    "collation": "utf8mb4_nopad_bin",
    "isolation": "tx_isolation",
    "more": ", in_predicate_conversion_threshold = 0, idle_transaction_timeout = {idle}",
}
# MySQL warns of each VALUES(x), and the driver would log that.
_MYSQL = {"collation": "utf8mb4_0900_bin", "isolation": "transaction_isolation", "more": ", max_error_count = 0"}
_SESSION_COMMAND = (
    "SET NAMES utf8mb4 COLLATE {collation}, {isolation} = 'READ-COMMITTED', time_zone = '+00:00', "
    "innodb_lock_wait_timeout = 5, lock_wait_timeout = 5, sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'{more}"
)
_DRIVER_ERRORS = (errors.MySQLError, OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, RuntimeError)


def translate_error(error: BaseException) -> SharetallyError:
    """Our error for an error of the driver, by its number."""
    number = error.args[0] if isinstance(error, errors.MySQLError) and error.args else None
    if number in _CONFLICT_CODES:
        return TransientConflict(str(number))
    if not isinstance(number, int) or number in _UNAVAILABLE_CODES or isinstance(error, errors.InterfaceError):
        return Unavailable("the database does not answer")
    return DataRejected(f"{number}: {type(error).__name__}")


class MysqlDriver:
    """One asyncmy connection. It is `broken`, and will be closed, after a statement that did not end properly."""

    def __init__(self, connection: Any, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self.broken = False

    async def _run(self, sql: str, arguments: Sequence[object], *, many: bool, fetch: bool) -> Any:
        try:
            async with asyncio.timeout(self._timeout), self._connection.cursor(cursor=DictCursor) as cursor:
                row_count = await (cursor.executemany if many else cursor.execute)(sql, arguments)
                return await cursor.fetchall() if fetch else row_count
        except _DRIVER_ERRORS as error:
            database_error = translate_error(error)
            self.broken = self.broken or isinstance(database_error, Unavailable)
            raise database_error from error
        except UnicodeEncodeError as error:  # a lone surrogate
            raise DataRejected(type(error).__name__) from error
        except BaseException:  # cancelled or unexpected: the rest of the response may still arrive
            self.broken = True
            raise

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        return list(await self._run(sql, arguments, many=False, fetch=True))

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement."""
        return int(await self._run(sql, arguments, many=False, fetch=False) or 0)

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """Insert rows into one table."""
        await self.execute_many(sql, values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run the statement for each row; the driver joins the rows of an INSERT to one statement."""
        await self._run(sql, rows, many=True, fetch=False)

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Pass the values of all keys, one after another."""
        return await self.fetch(sql, [value for key in keys for value in key])


def connect_arguments(url: str) -> dict[str, Any]:
    """The arguments of asyncmy from a URL, which may end with `?unix_socket=`, `?ssl=true` or `?ssl_ca=FILE`.

    With TLS, the certificate of the server is always checked.
    """
    parts = urlsplit(url)
    database = parts.path.lstrip("/")
    if not database:
        raise ConfigurationError("DATABASE_URL names no database: mysql://user:password@host:3306/database")
    arguments: dict[str, Any] = {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "db": unquote(database),
        "charset": "utf8mb4",
    }
    query = dict(parse_qsl(parts.query))
    if unknown := sorted(query.keys() - {"unix_socket", "ssl", "ssl_ca"}):
        raise ConfigurationError(f"DATABASE_URL: unknown {', '.join(unknown)}; there are unix_socket, ssl and ssl_ca")
    if "unix_socket" in query:
        arguments["unix_socket"] = query["unix_socket"]
    if query.get("ssl") in ("true", "on", "1") or "ssl_ca" in query:
        arguments["ssl"] = ssl.create_default_context(cafile=query.get("ssl_ca"))
    return arguments


class MysqlEngine(PooledEngine):
    """A pool of asyncmy connections."""

    durable_settings = MappingProxyType(
        {
            "innodb_flush_log_at_trx_commit": (
                "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit",
                frozenset({"1", "3"}),  # 3 is MariaDB's own, and flushes even twice
            )
        }
    )

    def __init__(self, url: str) -> None:
        self._arguments = connect_arguments(url)
        self._pool: Any = None
        self.dialect = MysqlDialect()
        self._statements = Statements(self.dialect)

    async def open(self) -> None:
        """Connect once, to find out whether it is MariaDB; the pool grows as needed."""
        timeout = int(ACQUIRE_TIMEOUT_SECONDS)
        try:
            probe = await asyncmy.connect(connect_timeout=timeout, **self._arguments)
            mariadb = "mariadb" in str(probe.get_server_info()).lower()
            probe.close()
            command = _SESSION_COMMAND.format(**(_MARIADB if mariadb else _MYSQL))
            self._pool = await asyncmy.create_pool(
                minsize=1,
                maxsize=POOL_SIZE,
                autocommit=True,
                connect_timeout=timeout,
                init_command=command.format(idle=IDLE_TIMEOUT_SECONDS),
                **self._arguments,
            )
        except _DRIVER_ERRORS as error:
            reason = _CONNECT_ERRORS.get(error.args[0] if error.args else 0, type(error).__name__)
            raise Unavailable(f"MySQL does not let us in: {reason}") from error

    async def close(self) -> None:
        """Close every connection, within five seconds."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
            try:
                await asyncio.wait_for(pool.wait_closed(), ACQUIRE_TIMEOUT_SECONDS)
            except _DRIVER_ERRORS:
                pool.terminate()

    @asynccontextmanager
    async def connect(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A connection outside any transaction: each statement is its own."""
        if self._pool is None:
            raise Unavailable("the database is closed")
        try:
            # wait_for would lose a connection that arrives while it is cancelled
            async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                pooled = await self._pool.acquire()
        except _DRIVER_ERRORS as error:
            raise Unavailable("no database connection is free or to be had") from error
        driver = MysqlDriver(pooled, LONG_STATEMENT_TIMEOUT_SECONDS if long else STATEMENT_TIMEOUT_SECONDS)
        try:
            yield Connection(driver, self._statements)
        finally:
            if driver.broken:
                pooled.close()
            if self._pool is not None:
                self._pool.release(pooled)

    @asynccontextmanager
    async def write_transaction(self) -> AsyncIterator[Connection]:
        """A transaction at READ COMMITTED."""
        async with self.connect() as connection, in_transaction(connection, "START TRANSACTION"):
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """One view of everything. At READ COMMITTED each statement would have its own, so the level is raised first."""
        async with self.read_connection(long=long) as connection:
            await connection.driver.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            async with in_transaction(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"):
                yield connection
