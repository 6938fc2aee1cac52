"""The last look at everything: shared by all, and one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.proof import CellProof, Verdict
from tests.contracts.database_rows import DATABASES, VIDEO, emptied, shared_url

pytestmark = pytest.mark.anyio
OFF = CellProof(content=VIDEO, dimension="total", value="", counted=5, pending=0, ledger=2)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


async def test_the_last_one_stands(db: SqlDatabase) -> None:
    assert await db.last_look() is None
    assert await db.begin_look(60)
    assert await db.last_look() is None
    first = await db.note_look(Verdict(contents=7, drifted=(OFF,)), 1.2345)
    assert await db.last_look() == first
    assert (first.contents, first.drift, first.seconds) == (7, 3, 1.234)
    second = await db.note_look(Verdict(contents=8, drifted=()), 0.5)
    assert await db.last_look() == second
    assert second.at >= first.at


async def test_one_at_a_time(db: SqlDatabase) -> None:
    begun = await asyncio.gather(*(db.begin_look(60) for _ in range(5)))
    assert sorted(begun) == [False, False, False, False, True]
    assert await db.begin_look(60, again=True)
    assert not await db.begin_look(60)
    await db.begin_look(0, again=True)
    assert await db.begin_look(60)


async def test_who_died_over_it_is_not_waited_for(db: SqlDatabase) -> None:
    assert await db.begin_look(-1)
    assert await db.begin_look(60)
    assert not await db.begin_look(60)
