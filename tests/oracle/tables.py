"""The tables as they lie in the database, read with plain SQL over the bare driver.

The statements are few and mean the same everywhere; ids come back as text. `Tables` also serves tests that
need to put something into a database's way, as a trigger that refuses one row.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

import asyncmy
import asyncpg

Row = tuple[Any, ...]


class Tables(Protocol):
    """An open connection; every statement is its own transaction."""

    async def rows(self, sql: str) -> list[Row]:
        """What a SELECT finds."""
        ...

    async def run(self, *statements: str) -> None:
        """Run statements, one after another."""
        ...


def open_tables(url: str) -> AbstractAsyncContextManager[Tables]:
    """A connection to the database that the service uses."""
    match urlsplit(url).scheme:
        case "postgresql":
            return _postgresql(url)
        case "mysql":
            return _mysql(url)
        case _:
            return _sqlite(url)


def text_of(value: object) -> object:
    """An id as text, whatever the driver makes of it."""
    if isinstance(value, UUID):
        return str(value)
    return str(UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else value


class _Postgresql:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str) -> list[Row]:
        return [tuple(map(text_of, row)) for row in await self._connection.fetch(sql)]

    async def run(self, *statements: str) -> None:
        for statement in statements:
            await self._connection.execute(statement)


@asynccontextmanager
async def _postgresql(url: str) -> AsyncIterator[Tables]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield _Postgresql(connection)
    finally:
        await connection.close()


class _Mysql:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, sql: str) -> list[Row]:
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql)
            return [tuple(map(text_of, row)) for row in await cursor.fetchall()]

    async def run(self, *statements: str) -> None:
        async with self._connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)


@asynccontextmanager
async def _mysql(url: str) -> AsyncIterator[Tables]:
    at = urlsplit(url)
    connection = await asyncmy.connect(
        host=at.hostname or "127.0.0.1",
        port=at.port or 3306,
        user=unquote(at.username or "root"),
        password=unquote(at.password or ""),
        database=at.path.strip("/"),
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=10,
    )
    try:
        yield _Mysql(connection)
    finally:
        await connection.ensure_closed()


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str) -> list[Row]:
        found = await asyncio.to_thread(lambda: self._connection.execute(sql).fetchall())
        return [tuple(map(text_of, row)) for row in found]

    async def run(self, *statements: str) -> None:
        for statement in statements:
            await asyncio.to_thread(self._connection.execute, statement)


@asynccontextmanager
async def _sqlite(url: str) -> AsyncIterator[Tables]:
    path = url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        yield _Sqlite(connection)
    finally:
        connection.close()


async def pending_and_parked(tables: Tables) -> tuple[int, int]:
    """Events that wait, and events that were set aside."""
    found: Sequence[Row] = await tables.rows("SELECT count(*), count(parked_reason) FROM events")
    every, parked = found[0]
    return every - parked, parked
