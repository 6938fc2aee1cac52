"""The last look at everything: shared by all, and one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.proof import CellProof, VerificationResult
from tests.contracts.database_rows import DATABASES, VIDEO, database_url_for, open_empty_database

pytestmark = pytest.mark.anyio
OFF = CellProof(content=VIDEO, dimension="total", value="", counted=5, pending=0, ledger=2)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def test_the_latest_run_replaces_the_earlier_one(db: SqlDatabase) -> None:
    assert await db.verification_runs.last() is None
    assert await db.verification_runs.extend_lease(60)
    assert await db.verification_runs.last() is None
    first = await db.verification_runs.record(VerificationResult(content_items=7, drifted=(OFF,)), 1.2345)
    assert await db.verification_runs.last() == first
    assert (first.content_items, first.drift, first.seconds) == (7, 3, 1.234)
    second = await db.verification_runs.record(VerificationResult(content_items=8, drifted=()), 0.5)
    assert await db.verification_runs.last() == second
    assert second.at >= first.at


async def test_only_one_verification_runs_at_a_time(db: SqlDatabase) -> None:
    begun = await asyncio.gather(*(db.verification_runs.extend_lease(60) for _ in range(5)))
    assert sorted(begun) == [False, False, False, False, True]
    assert await db.verification_runs.extend_lease(60, renew=True)
    assert not await db.verification_runs.extend_lease(60)
    await db.verification_runs.extend_lease(0, renew=True)
    assert await db.verification_runs.extend_lease(60)


async def test_a_dead_process_does_not_block_verification(db: SqlDatabase) -> None:
    assert await db.verification_runs.extend_lease(-1)
    assert await db.verification_runs.extend_lease(60)
    assert not await db.verification_runs.extend_lease(60)
