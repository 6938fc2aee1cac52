"""A filled ledger is counted to the last cell; pending shares are pending and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from bench.filling import mariadb, postgresql, sqlite
from bench.filling.pending import insert_pending
from sharetally.adapters.databases.database import database_from_url
from sharetally.adapters.migrations import runner
from sharetally.domain.proof import VerificationResult
from tests.oracle.tables import open_tables

pytestmark = pytest.mark.anyio
RECORDS = 3_000


async def _filled(url: str) -> None:
    await asyncio.to_thread(runner.upgrade, url)
    match urlsplit(url).scheme:
        case "postgresql":
            postgresql.fill(url, records=RECORDS)
        case "mysql":
            mariadb.fill(url, records=RECORDS)
        case _:
            sqlite.fill(Path(url.removeprefix("sqlite:///")), records=RECORDS)


async def _verified(url: str) -> VerificationResult:
    store = database_from_url(url)
    await store.open()
    try:
        return await store.proof.verify(None, lambda _: None)
    finally:
        await store.close()


async def test_a_filled_ledger_satisfies_the_invariant(database_url: str) -> None:
    await _filled(database_url)
    verdict = await _verified(database_url)
    assert (verdict.content_items, verdict.drift) == (RECORDS, 0)
    async with open_tables(database_url) as tables:
        assert (await tables.rows("SELECT count(*) FROM share_audit"))[0][0] == RECORDS


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_pending_shares_have_their_events_and_are_in_no_count(postgresql_url: str) -> None:
    await _filled(postgresql_url)
    async with _connected(postgresql_url) as connection:
        heads = await insert_pending(connection, shares=500, contents=10)
        stored = [row["id"] for row in await connection.fetch("SELECT id FROM events")]
    assert {head.id for head in heads} == set(stored)
    assert len({head.content for head in heads}) == 10
    verdict = await _verified(postgresql_url)
    assert (verdict.content_items, verdict.drift) == (RECORDS, 0)
