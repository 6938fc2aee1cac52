"""Locks are held for half a minute, and then no database connection is available: answers are late or say that the
service is unavailable, but no answer is missing.

A lock on the rows of the most shared content item blocks everybody who writes or counts it. A lock on a whole table
blocks readers, each of which occupies a connection of the pool. Finally, another program takes every connection of
the server. On SQLite, another process holds the only write lock. Requests that cannot be served get a 503, and
afterwards everything recovers by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncmy
import asyncpg

from tests.faults.harness import FaultHarness
from tests.faults.private_servers import RECOVERY_LOAD_SECONDS, private_database
from tests.faults.row import ALL, Row
from tests.oracle.system import System
from tests.oracle.tables import Tables, open_tables
from tests.oracle.world import HOT

HELD = 30.0  # seconds
TAKEN = 15.0
CLIENTS = 40  # in each of two processes: more than there are connections in the pools
ROUNDS = 3
AWAY = "the database does not answer"
HELD_ROWS = "too many writers want the same rows; nothing was written"
HELD_TABLE = "the database is busy"
NONE_LEFT = "no database connection is free or to be had"
HOT_ROWS = f"WHERE content_type = '{HOT[0]}' AND content_id = '{HOT[1]}' FOR UPDATE"


async def perform(harness: FaultHarness) -> None:
    harness.allow("503")
    await (_embedded if harness.database == "sqlite" else _server)(harness)
    harness.note(f"{harness.promises.tally.outcomes['503']} were asked to try again")


def assert_logged(system: System, *reasons: str) -> None:
    """Check that the log names each of these reasons for a 503: every fault was really exercised."""
    said = system.serve.log.read_text(errors="replace")
    missing = [reason for reason in reasons if reason not in said]
    assert not missing, f"not in the log: {missing}"


async def _embedded(harness: FaultHarness) -> None:
    async with harness.open(harness.topology()) as system, harness.load(), open_tables(system.database) as tables:
        await asyncio.sleep(2.0)
        async with transaction(tables, "BEGIN IMMEDIATE"):
            await asyncio.sleep(HELD)
        await asyncio.sleep(RECOVERY_LOAD_SECONDS)
        assert_logged(system, AWAY)


async def _server(harness: FaultHarness) -> None:
    database = await private_database(harness)
    async with harness.open(harness.topology(database=database.url)) as system, harness.load(clients=CLIENTS):
        await asyncio.sleep(2.0)
        await rows_locked(database.url)
        assert_logged(system, HELD_ROWS)
        async with harness.pause_verification():
            await table_locked(harness, database.url)
            await asyncio.sleep(RECOVERY_LOAD_SECONDS)
            assert_logged(system, HELD_TABLE)
            await no_connection_left(harness, database.url)
            assert_logged(system, NONE_LEFT)
        await asyncio.sleep(RECOVERY_LOAD_SECONDS)


async def rows_locked(url: str) -> None:
    """The records and the total of the hot content item, which sharing and counting need."""
    async with open_tables(url) as tables, transaction(tables, "START TRANSACTION"):
        for table in ("share_records", "share_totals"):
            await tables.rows(f"SELECT * FROM {table} {HOT_ROWS}")
        await asyncio.sleep(HELD)


async def table_locked(harness: FaultHarness, url: str) -> None:
    """What every reader of a count waits for."""
    async with open_tables(url) as tables:
        if harness.database == "postgresql":
            async with transaction(tables, "BEGIN"):
                await tables.run("LOCK TABLE share_totals IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(HELD)
        else:
            await tables.run("LOCK TABLES share_totals WRITE")
            await asyncio.sleep(HELD)
            await tables.run("UNLOCK TABLES")


@asynccontextmanager
async def transaction(tables: Tables, begin: str) -> AsyncIterator[None]:
    """Whatever it locks is free again at the end."""
    await tables.run(begin)
    try:
        yield
    finally:
        await tables.run("ROLLBACK")


async def no_connection_left(harness: FaultHarness, url: str) -> None:
    """Take all that are free, end the service's, and take those too, until it has none."""
    async with AsyncExitStack() as taken:
        mine = [await taken.enter_async_context(open_tables(url))]
        own = "SELECT pg_backend_pid()" if harness.database == "postgresql" else "SELECT connection_id()"
        for _ in range(ROUNDS):
            with suppress(asyncpg.PostgresError, asyncmy.MySQLError, OSError, RuntimeError):  # refused, each in its way
                while True:
                    mine.append(await taken.enter_async_context(open_tables(url)))
            ids = {(await each.rows(own))[0][0] for each in mine}
            await ended(harness, mine[0], ids)
        harness.note(f"another program had all {len(mine)} connections")
        await asyncio.sleep(TAKEN)


async def ended(harness: FaultHarness, tables: Tables, mine: set[int]) -> None:
    """End every other connection."""
    if harness.database == "postgresql":
        listed = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        end = "SELECT pg_terminate_backend({})"
    else:
        listed, end = "SELECT id FROM information_schema.processlist WHERE user = 'root'", "KILL {}"
    for row in await tables.rows(listed):
        if row[0] not in mine:
            with suppress(asyncmy.MySQLError):  # it may have ended by itself
                await tables.run(end.format(row[0]))


ROW = Row(
    number=13,
    title="locks held for 30 s, the connection pool exhausted, no connection available",
    databases=ALL,
    perform=perform,
)
