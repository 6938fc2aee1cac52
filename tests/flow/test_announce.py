"""Announcing: the newest count reaches the cache, an older one never replaces it, and a fault affects nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from sharetally.adapters.caches.memory import MemoryCache
from sharetally.adapters.channels.memory import MemoryChannel
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import Unavailable
from sharetally.flow.counting.announce import MAX_PER_STATEMENT, Announcer
from sharetally.ports import CountStore
from tests.contracts.database_rows import ARTICLE, VIDEO, count_events, insert_shares, open_empty_database, record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as made:
        yield made


@pytest.fixture
async def cache() -> AsyncIterator[MemoryCache]:
    made = MemoryCache()
    await made.open()
    yield made
    await made.close()


class Hesitant:
    """Reads at once, and announces only when it is allowed to."""

    def __init__(self, db: SqlDatabase) -> None:
        self._db = db
        self.read = asyncio.Event()
        self.tell = asyncio.Event()
        self.asked: list[int] = []

    async def stored(self, contents: Sequence[ContentRef]) -> list[Count]:
        self.asked.append(len(contents))
        found = await self._db.counts.stored(contents)
        self.read.set()
        await self.tell.wait()
        return found


class Names(MemoryChannel):
    """Carries no counts."""

    carries_counts = False

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[ContentRef] = []

    async def announce_changed(self, contents: Sequence[ContentRef], made: Sequence[MinuteCount] = ()) -> None:
        self.moved += contents


async def test_without_a_cache_nothing_is_read_for_a_channel_that_carries_no_counts(db: SqlDatabase) -> None:
    names, reading = Names(), Hesitant(db)
    await Announcer(counts=cast(CountStore, reading), cache=None, channel=names).announce({VIDEO, ARTICLE})
    assert (names.moved, reading.asked) == (sorted([VIDEO, ARTICLE]), [])


async def test_the_current_count_is_cached(db: SqlDatabase, cache: MemoryCache) -> None:
    await count_events(db, await insert_shares(db, record(), record(content=ARTICLE)))
    await Announcer(counts=db.counts, cache=cache).announce({VIDEO, ARTICLE})
    assert await cache.get([VIDEO, ARTICLE]) == await db.counts.stored([VIDEO, ARTICLE])


async def test_a_late_announcement_never_overwrites_a_newer_count(db: SqlDatabase, cache: MemoryCache) -> None:
    """Read before another count and announced after it: the lower version is ignored."""
    await count_events(db, await insert_shares(db, record()))
    late = Hesitant(db)
    telling = asyncio.create_task(Announcer(counts=cast(CountStore, late), cache=cache).announce([VIDEO]))
    await late.read.wait()
    await count_events(db, await insert_shares(db, record(user_id="bert")))
    await Announcer(counts=db.counts, cache=cache).announce([VIDEO])
    late.tell.set()
    await telling
    (found,) = await cache.get([VIDEO])
    assert found is not None
    assert found.shares == 2


async def test_many_contents_are_read_in_parts(db: SqlDatabase, cache: MemoryCache) -> None:
    reading = Hesitant(db)
    reading.tell.set()
    contents = [ContentRef(type="video", id=f"{number}") for number in range(2 * MAX_PER_STATEMENT + 1)]
    await Announcer(counts=cast(CountStore, reading), cache=cache).announce(contents)
    assert reading.asked == [MAX_PER_STATEMENT, MAX_PER_STATEMENT, 1]


async def test_without_a_cache_nothing_is_read(db: SqlDatabase) -> None:
    reading = Hesitant(db)
    await Announcer(counts=cast(CountStore, reading), cache=None).announce([VIDEO])
    assert reading.asked == []


class Away:
    """A database that does not answer."""

    async def stored(self, contents: Sequence[ContentRef]) -> list[Count]:
        raise Unavailable("the database is away")


async def test_an_announcement_failure_is_contained(cache: MemoryCache) -> None:
    await Announcer(counts=cast(CountStore, Away()), cache=cache).announce([VIDEO])
    assert await cache.get([VIDEO]) == [None]
