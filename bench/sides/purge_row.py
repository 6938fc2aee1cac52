"""One row's work for two databases: deleting outdated idempotency keys while many are stored, against while few are.

The keys of a day at 5,000 requests a second would be 432 million rows. What matters is whether the speed of deleting
depends on how many there are, and whether it stays above the speed at which they arrive; the notes say how fast.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from urllib.parse import unquote, urlsplit

import asyncmy
import asyncpg

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.row import Measurement, Row, at_least
from sharetally.adapters.databases.database import database_from_url
from sharetally.flow.relay import MAX_PURGED, RESPONSE_RETENTION_SECONDS

FEW = 100_000
PURGED = 50_000  # rows per measurement
PIECE = 1_000_000  # rows per INSERT

_POSTGRESQL = """
INSERT INTO idempotency_keys (caller, key, request_hash, status, headers, body, created_at)
SELECT md5((i % 1000)::text), md5(random()::text || i), decode(md5(i::text) || md5(i::text), 'hex'), 200,
       '[["content-type","application/json"]]', convert_to(repeat('x', 300), 'UTF8'), now() - INTERVAL '3 days'
FROM generate_series({start}::bigint, {stop}) AS i
"""
_MARIADB = """
INSERT INTO idempotency_keys (caller, `key`, request_hash, status, headers, body, created_at)
SELECT MD5(seq % 1000), MD5(CONCAT(RAND(), seq)), UNHEX(CONCAT(MD5(seq), MD5(seq))), 200,
       '[["content-type","application/json"]]', REPEAT('x', 300), UTC_TIMESTAMP(6) - INTERVAL 3 DAY
FROM seq_{start}_to_{stop}
"""


def purge_row(name: str, kind: str, order: int) -> Row:
    """The row of one kind of database."""

    async def measure(harness: BenchHarness) -> Measurement:
        return await _measured(harness, kind)

    return Row(
        name=name,
        order=order,
        ours=f"outdated idempotency keys deleted with 5,000,000 stored, {kind}",
        reference="with 100,000",
        unit="keys/s",
        target=at_least(0.5),
        measure=measure,
        full=True,
    )


async def _measured(harness: BenchHarness, kind: str) -> Measurement:
    options = harness.options
    keys = options.records // 2
    notes = [f"{keys:,} keys at the start, in {kind}, deleted {MAX_PURGED:,} at a time as the relay does"]
    filled = _open(harness, kind)
    url = filled.__enter__()
    try:
        await _fill(harness, kind, url, keys)

        async def few() -> float:
            with _open(harness, kind) as own:
                await _fill(harness, kind, own, FEW)
                return await _purge(own)

        return await alternate(options.pairs, lambda: _purge(url), few, notes=notes)
    finally:
        filled.__exit__(None, None, None)


def _open(harness: BenchHarness, kind: str) -> AbstractContextManager[str]:
    return harness.postgresql_database() if kind == "postgresql" else harness.mariadb_database()


async def _fill(harness: BenchHarness, kind: str, url: str, keys: int) -> None:
    await asyncio.to_thread(harness.migrate, url)
    pieces = [(start, min(keys, start + PIECE) - 1) for start in range(0, keys, PIECE)]
    if kind == "postgresql":
        postgresql = await asyncpg.connect(url)
        try:
            for start, stop in pieces:
                await postgresql.execute(_POSTGRESQL.format(start=start, stop=stop))
            await postgresql.execute("VACUUM (ANALYZE) idempotency_keys")
        finally:
            await postgresql.close()
        return
    at = urlsplit(url)
    mariadb = await asyncmy.connect(
        host=at.hostname or "127.0.0.1", port=at.port or 3306, user=unquote(at.username or "root"),
        password=unquote(at.password or ""), db=at.path.lstrip("/"), autocommit=True,
    )  # fmt: skip
    try:
        async with mariadb.cursor() as cursor:
            for start, stop in pieces:
                await cursor.execute(_MARIADB.format(start=start, stop=stop))
            await cursor.execute("ANALYZE TABLE idempotency_keys")
    finally:
        await mariadb.ensure_closed()


async def _purge(url: str) -> float:
    """Keys deleted per second, in transactions of the relay's size."""
    database = database_from_url(url)
    await database.open()
    try:
        began, deleted = time.perf_counter(), 0
        while deleted < PURGED:
            purged = await database.responses.purge(RESPONSE_RETENTION_SECONDS, at_most=MAX_PURGED)
            assert purged == MAX_PURGED, "there were too few keys"
            deleted += purged
        return deleted / (time.perf_counter() - began)
    finally:
        await database.close()
