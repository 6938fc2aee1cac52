"""Queries for counts: from the cache where that is allowed, exact where it is required."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from sharetally.adapters.caches.memory import MemoryCache
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count, to_count
from sharetally.domain.errors import Unavailable
from sharetally.flow.queries import MAX_PER_STATEMENT, Queries
from sharetally.ports import CountStore
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    VIDEO,
    count_events,
    database_url_for,
    insert_shares,
    link,
    open_empty_database,
    record,
)
from tests.flow.harness import queries_of_counts

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
async def cache() -> AsyncIterator[MemoryCache]:
    made = MemoryCache()
    await made.open()
    yield made
    await made.close()


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def queries_of(db: SqlDatabase, cache: MemoryCache | None = None) -> Queries:
    return Queries(counts=db.counts, links=db.links, shares=db.shares, cache=cache)


# as they are stored


@on_sqlite
async def test_a_count_missing_from_the_cache_is_read_and_cached(db: SqlDatabase, cache: MemoryCache) -> None:
    await count_events(db, await insert_shares(db, record()))
    queries = queries_of(db, cache)
    first = await queries.counts([ARTICLE, VIDEO, ARTICLE])
    assert [(each.content, each.shares) for each in first] == [(ARTICLE, 0), (VIDEO, 1), (ARTICLE, 0)]
    await count_events(db, await insert_shares(db, record(user_id="bert")))
    assert (await queries.counts([VIDEO]))[0].shares == 1, "announcing is what makes it new"
    assert (await queries_of(db).counts([VIDEO]))[0].shares == 2


@on_sqlite
async def test_of_nothing_nothing_is_read(db: SqlDatabase) -> None:
    assert await queries_of(db).counts([]) == []


# exact at once


async def test_the_exact_count_includes_events_not_counted_yet(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, record()))
    await insert_shares(db, record(user_id="bert", platform="whatsapp"), link(channel="mail", created_at=AT))
    found = await queries_of(db).consistent(VIDEO)
    assert found.shares == 3
    assert found.channel == {"twitter": 1, "whatsapp": 1, "mail": 1}
    assert (await queries_of(db).consistent(ARTICLE)).shares == 0


class Slow:
    """Answers a query when it is allowed to; `asked` holds the contents of each, `faults` are raised in turn."""

    def __init__(self) -> None:
        self.asked: list[list[ContentRef]] = []
        self.faults: list[Exception] = []
        self.may_answer = asyncio.Semaphore(0)
        self.begun = asyncio.Semaphore(0)

    async def exact(self, contents: Sequence[ContentRef]) -> list[Count]:
        self.asked.append(list(contents))
        answers = [to_count(content, len(self.asked), (), 1, None) for content in contents]
        self.begun.release()
        await self.may_answer.acquire()
        if self.faults:
            raise self.faults.pop(0)
        return answers


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def queries(slow: Slow) -> Queries:
    return queries_of_counts(cast(CountStore, slow))


def ask(queries: Queries, *contents: ContentRef) -> list[asyncio.Task[Count]]:
    return [asyncio.create_task(queries.consistent(content)) for content in contents]


async def test_requests_during_a_query_share_the_next_query(queries: Queries, slow: Slow) -> None:
    """Never the running one: its snapshot may be older than the write that the asker was answered."""
    first = ask(queries, VIDEO)
    await slow.begun.acquire()
    later = ask(queries, VIDEO, VIDEO, ARTICLE, VIDEO)
    slow.may_answer.release()
    slow.may_answer.release()
    answers = await asyncio.gather(*first, *later)
    assert [answer.shares for answer in answers] == [1, 2, 2, 2, 2]
    assert slow.asked == [[VIDEO], [VIDEO, ARTICLE]]


async def test_many_contents_are_several_statements(queries: Queries, slow: Slow) -> None:
    contents = [ContentRef(type="video", id=f"{number}") for number in range(MAX_PER_STATEMENT + 1)]
    tasks = ask(queries, *contents)
    slow.may_answer.release()
    slow.may_answer.release()
    answers = await asyncio.gather(*tasks)
    assert [answer.content for answer in answers] == contents
    assert [len(asked) for asked in slow.asked] == [MAX_PER_STATEMENT, 1]


async def test_a_failure_reaches_all_waiting_callers_and_no_later_one(queries: Queries, slow: Slow) -> None:
    slow.faults.append(Unavailable("away"))
    tasks = ask(queries, VIDEO, VIDEO, ARTICLE)
    slow.may_answer.release()
    assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [Unavailable] * 3
    slow.may_answer.release()
    assert (await queries.consistent(VIDEO)).shares == 2


async def test_a_cancelled_caller_does_not_cancel_the_shared_query(queries: Queries, slow: Slow) -> None:
    leaving, staying = ask(queries, VIDEO, VIDEO)
    await slow.begun.acquire()
    leaving.cancel()
    slow.may_answer.release()
    assert (await staying).shares == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving


# status


async def test_status_by_platform_keeps_the_requested_order(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, record(), record(user_id="bert")))
    await insert_shares(db, record(platform="whatsapp"))
    found = await queries_of(db).share_status(VIDEO, "anna", ["whatsapp", "facebook", "twitter"])
    assert [(each.platform, each.status.shares, each.mine is not None) for each in found] == [
        ("whatsapp", 1, True),
        ("facebook", 0, False),
        ("twitter", 2, True),
    ]
    assert [each.status.last_shared_at for each in found] == [AT, None, AT]
