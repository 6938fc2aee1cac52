"""Responses by Idempotency-Key: old ones are deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.ports import IdempotencyKey, LockSet, StoredResponse, Writes
from tests.contracts.database_rows import (
    DATABASES,
    database_url_for,
    execute_sql,
    open_empty_database,
    write_rows,
)

pytestmark = pytest.mark.anyio


A_MINUTE_AGO = {
    "postgresql": "clock_timestamp() - INTERVAL '60 seconds'",
    "mysql": "CURRENT_TIMESTAMP(6) - INTERVAL 60 SECOND",
    "sqlite": "strftime('%Y-%m-%d %H\\:%M\\:%f000', 'now', '-60 seconds')",
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def test_old_stored_responses_are_purged(db: SqlDatabase, url: str) -> None:
    answer = StoredResponse(request_hash=bytes(32), status=200, headers=(), body=b"{}")
    old, fresh = IdempotencyKey(caller="anna", key="old"), IdempotencyKey(caller="anna", key="fresh")
    await write_rows(db, Writes(responses={old: answer, fresh: answer}))
    past = A_MINUTE_AGO[urlsplit(url).scheme]
    await execute_sql(
        db, f"UPDATE idempotency_keys SET created_at = {past} WHERE request_hash IS NOT NULL AND caller = 'anna'"
    )
    await write_rows(db, Writes(responses={fresh._replace(key="newest"): answer}))
    assert await db.responses.purge(90, at_most=10) == 0
    assert await db.responses.purge(30, at_most=1) == 1
    assert await db.responses.purge(30, at_most=10) == 1
    assert await db.responses.purge(30, at_most=10) == 0
    wanted = frozenset({old, fresh, fresh._replace(key="newest")})
    async with db.transaction() as tx:
        assert set((await tx.lock(LockSet(keys=wanted))).responses) == {fresh._replace(key="newest")}
