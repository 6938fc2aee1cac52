"""PostgreSQL over asyncpg: what it does its own way.

Many rows travel as one array per column and come back to rows by `unnest`: one statement and one round
trip however many there are, and for new rows also in however many tables. Connections run at READ
COMMITTED, wait at most five seconds for a lock and thirty for an answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from sharetally.adapters.databases.connection import Connection, Part
from sharetally.adapters.databases.counting_postgresql import COUNTING
from sharetally.adapters.databases.engine import Engine, committed, read_once
from sharetally.adapters.databases.postgresql_inserts import Inserts
from sharetally.adapters.databases.statements import Row, Statements
from sharetally.adapters.databases.types import MICROS, NOW
from sharetally.domain.errors import DataRefused, RunAgain, SharetallyError, Unavailable

POOL = 10
ACQUIRE_SECONDS = 5.0
ANSWER_SECONDS = 30.0
LONG_SECONDS = 4 * 3600.0  # for a look at everything
IDLE_SECONDS = 30  # of a transaction: whoever vanished in one must not keep its locks

# 40001 serialization, 40P01 deadlock, 55P03 lock not available, 23505 unique
_AGAIN = frozenset({"40001", "40P01", "55P03", "23505"})
_AWAY = ("08", "40", "53", "57", "58", "25006", "25P03", "XX001")
# The last four come from asyncpg and uvloop when the connection ends in the moment in which it is used
_FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
    asyncpg.InternalClientError,
    EOFError,
    RuntimeError,
    asyncio.InvalidStateError,
)

_WORDS = {"greatest": "greatest", "now": NOW["postgresql"], "micros": MICROS["postgresql"]}


def translated(error: BaseException) -> SharetallyError:
    """Say what a driver's error means to us, by its SQLSTATE."""
    state = getattr(error, "sqlstate", None)
    if state in _AGAIN:
        return RunAgain(state)
    if isinstance(error, ValueError):  # asyncpg itself refused an argument
        return DataRefused(f"22000: {type(error).__name__}")
    if state is None or state.startswith(_AWAY):
        return Unavailable("the database does not answer")
    return DataRefused(f"{state}: {type(error).__name__}")


class PostgresqlDriver:
    """One asyncpg connection. Once it has not answered it is not asked again: each question would wait as long."""

    def __init__(self, connection: asyncpg.Connection, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self.broken = False

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        """Run a query."""
        with self._translating():
            return await self._connection.fetch(sql, *arguments, timeout=self._patience)  # type: ignore[no-any-return]

    async def execute(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """Run a statement; its tag ends with the number of rows."""
        with self._translating():
            tag = await self._connection.execute(sql, *arguments, timeout=self._patience)
        last = tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    @contextmanager
    def _translating(self) -> Iterator[None]:
        if self.broken:
            raise Unavailable("the database did not answer")
        try:
            yield
        except _FAULTS as error:
            self.broken = isinstance(error, TimeoutError)
            raise translated(error) from error
        except Exception:
            self.broken = True  # nobody knows in which state this left the connection
            raise

    async def insert(self, sql: str, values: Sequence[Any]) -> None:
        """One statement for all tables."""
        await self.execute(sql, values)

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Send the rows as one array per column."""
        await self.execute(sql, list(zip(*rows, strict=True)))

    async def select(self, sql: str, keys: Sequence[Sequence[object]]) -> list[Row]:
        """Send the keys as one array per column."""
        return await self.fetch(sql, list(zip(*keys, strict=True)))


class PostgresqlFlavor:
    """`unnest`, ON CONFLICT, FOR UPDATE."""

    def __init__(self) -> None:
        self.dialect: sa.Dialect = dialect.dialect()  # type: ignore[no-untyped-call]
        self.counting: str | None = COUNTING
        self._inserts = Inserts(self._type)
        self._selects: dict[tuple[object, ...], str] = {}

    def _type(self, table: sa.Table, name: str) -> str:
        kind = table.c[name].type.dialect_impl(self.dialect).compile(self.dialect)
        return re.sub(r"\(\d+\)| COLLATE .*", "", kind)  # a cast to a length would cut

    def _arrays(self, table: sa.Table, columns: Sequence[str]) -> str:
        return ", ".join(f"${place}::{self._type(table, name)}[]" for place, name in enumerate(columns, 1))

    def insert(self, table: sa.Table, columns: Sequence[str]) -> str:
        """One array per column."""
        return f"INSERT INTO {table.name} ({_list(columns)}) SELECT * FROM unnest({self._arrays(table, columns)})"

    def inserts(self, parts: Sequence[Part]) -> Sequence[tuple[str, Sequence[Any]]]:
        """All of it as one statement."""
        return [self._inserts.together(parts)]

    def upsert(self, table: sa.Table, columns: Sequence[str], sets: Mapping[str, str]) -> str:
        """ON CONFLICT on the primary key."""
        names = {name: f"excluded.{_quoted(name)}" for name in columns}
        changes = ", ".join(f"{name} = {rule.format(t=table.name, **_WORDS, **names)}" for name, rule in sets.items())
        keys = _list([column.name for column in table.primary_key])
        return f"{self.insert(table, columns)} ON CONFLICT ({keys}) DO UPDATE SET {changes}"

    def update(self, table: sa.Table, key: str, columns: Sequence[str]) -> str:
        """UPDATE … FROM unnest."""
        every = (*columns, key)
        changes = ", ".join(f"{_quoted(name)} = n.{_quoted(name)}" for name in columns)
        return (
            f"UPDATE {table.name} AS t SET {changes} FROM unnest({self._arrays(table, every)}) "
            f"AS n({_list(every)}) WHERE t.{key} = n.{key}"
        )

    def select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], count: int, *, lock: bool) -> str:
        """Look each key up by itself, in the order in which they come; the text is the same for any count.

        A plain JOIN leaves the way to the planner, which reads the whole table once it takes it for small.
        """
        key = (table.name, columns, keys, lock)
        text = self._selects.get(key)
        if text is None:
            text = self._selects[key] = self._select(table, columns, keys, lock=lock)
        return text

    def _select(self, table: sa.Table, columns: Sequence[str], keys: Sequence[str], *, lock: bool) -> str:
        match = " AND ".join(f"t.{_quoted(name)} = k.{_quoted(name)}" for name in keys)
        row = f"SELECT {_list(columns)} FROM {table.name} AS t WHERE {match} LIMIT 1{' FOR UPDATE' if lock else ''}"
        wanted = f"unnest({self._arrays(table, keys)}) AS k({_list(keys)})"
        return f"SELECT r.* FROM {wanted} CROSS JOIN LATERAL ({row}) AS r"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _list(names: Sequence[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


class PostgresqlEngine(Engine):
    """A pool of asyncpg connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._idle: list[asyncpg.Connection] = []  # taken from the pool, and in nobody's hands
        self._wanted = 0  # how many wait for one of the pool's
        self.flavor = PostgresqlFlavor()
        self._statements = Statements(self.flavor.dialect)

    async def open(self) -> None:
        """Connect once; the pool grows as needed."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=POOL,
                timeout=ACQUIRE_SECONDS,
                command_timeout=ANSWER_SECONDS,
                reset=_left_clean,
                server_settings={
                    "application_name": "sharetally",
                    "default_transaction_isolation": "read committed",
                    "lock_timeout": "5000",
                    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
                    "TimeZone": "UTC",
                },
            )
        except _FAULTS as error:
            raise Unavailable(f"PostgreSQL does not let us in: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close every connection, within five seconds."""
        while self._idle:
            await self._release(self._idle.pop())
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), ACQUIRE_SECONDS)
            except (TimeoutError, asyncpg.InterfaceError):
                pool.terminate()

    @asynccontextmanager
    async def connect(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A connection outside any transaction: each statement is its own."""
        if self._pool is None:
            raise Unavailable("the database is closed")
        driver = await self._at_hand(self._pool)
        over = PostgresqlDriver(driver, LONG_SECONDS if long else ANSWER_SECONDS)
        try:
            yield Connection(over, self.flavor, self._statements)
        finally:
            if over.broken:
                _end(driver)
            if self._pool is not None and not self._wanted and _is_idle(driver):
                self._idle.append(driver)
            else:
                await self._release(driver)

    async def _at_hand(self, pool: asyncpg.Pool) -> asyncpg.Connection:
        """One that was given back a moment ago, else one of the pool's, which makes a task of every return."""
        while self._idle:
            driver = self._idle.pop()
            if _is_idle(driver):
                return driver
            await self._release(driver)
        self._wanted += 1
        try:
            return await pool.acquire(timeout=ACQUIRE_SECONDS)
        except _FAULTS as error:
            raise Unavailable("no database connection is free or to be had") from error
        finally:
            self._wanted -= 1

    async def _release(self, driver: asyncpg.Connection) -> None:
        try:
            if self._pool is not None:
                await self._pool.release(driver)
        except _FAULTS:
            _end(driver)

    @asynccontextmanager
    async def reading(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """A connection for single SELECTs."""
        with read_once():
            async with self.connect(long=long) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction at READ COMMITTED. A plan that is kept must not read a table whole once it has grown."""
        begin = "BEGIN; SET LOCAL enable_seqscan = off"
        async with self.connect() as connection, committed(connection, begin):
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, long: bool = False) -> AsyncIterator[Connection]:
        """One view of everything, for as long as the block lasts; it locks nothing."""
        async with (
            self.reading(long=long) as connection,
            committed(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        ):
            yield connection


def _is_idle(connection: asyncpg.Connection) -> bool:
    """Whether the next one can use it as it is."""
    try:
        return not connection.is_closed() and not connection.is_in_transaction()
    except asyncpg.InterfaceError:  # it ended by itself, and the pool knows
        return False


def _end(connection: asyncpg.Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # it ended by itself, and the pool knows
        connection.terminate()


async def _left_clean(connection: asyncpg.Connection) -> None:
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
