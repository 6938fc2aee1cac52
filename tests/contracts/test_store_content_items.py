"""Content items with their titles: stored, replaced, and found by the beginning of an id or by words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.content_details import ContentDetails, query_words
from sharetally.domain.count import CountChange
from tests.contracts.database_rows import ARTICLE, DATABASES, VIDEO, database_url_for, open_empty_database

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def describe(db: SqlDatabase, name: str, title: str, kind: str = "video") -> ContentRef:
    content = ContentRef(type=kind, id=name)
    await db.content_items.describe(ContentDetails(content=content, title=title))
    return content


async def found(
    db: SqlDatabase, query: str = "", kind: str | None = None, after: ContentRef | None = None
) -> list[str]:
    contents = await db.content_items.search(
        id_prefix=query, words=query_words(query), content_type=kind, limit=100, after=after
    )
    return [f"{each.content.type}:{each.content.id}" for each in contents]


async def test_the_latest_title_replaces_the_earlier_one(db: SqlDatabase) -> None:
    whole = ContentDetails(
        content=VIDEO, title="Ein Lied 🎬", image="https://x.example/a.png", url="https://x.example/a"
    )
    kept = await db.content_items.describe(whole)
    assert kept._replace(updated_at=None) == whole
    assert kept.updated_at is not None
    again = await db.content_items.describe(ContentDetails(content=VIDEO, title="Another"))
    assert again._replace(updated_at=None) == ContentDetails(content=VIDEO, title="Another")
    assert again.updated_at is not None
    assert again.updated_at >= kept.updated_at
    assert (await found(db, "lied"), await found(db, "another")) == ([], ["video:abc"])
    assert await db.content_items.details([ARTICLE, VIDEO]) == [ContentDetails(content=ARTICLE), again]


async def test_items_are_listed_with_their_counts(db: SqlDatabase) -> None:
    async with db.transaction() as tx:
        await tx.move({VIDEO: CountChange(delta=3), ARTICLE: CountChange(delta=-1)})
    await describe(db, "abc", "Three")
    assert [each.shares for each in await db.content_items.details([VIDEO, ARTICLE])] == [3, 0]
    assert await found(db) == ["article:abc", "video:abc"]


FINDING = {
    "look": ["article:1", "video:A1"],
    "LOOK at": ["video:A1"],
    "at look": ["video:A1"],
    "loo thi": ["video:A1"],
    "ook": [],
    "straße": ["article:1"],
    "STRASSE": ["article:1"],
    "Ｌｏｏｋ": ["article:1", "video:A1"],
    "の歌": ["article:2"],
    "50%": ["article:2"],
    "_": [],
    "A": ["article:1", "video:A1", "video:A2"],
    "A1": ["video:A1"],
    "a": ["article:1", "video:A1", "video:a3"],
    "a3": ["video:a3"],
    "nothing": [],
}


async def test_finding(db: SqlDatabase) -> None:
    await describe(db, "A1", "Look at this!")
    await describe(db, "A2", "")
    await describe(db, "a3", "Song")
    await describe(db, "1", "Look, a Straße", "article")
    await describe(db, "2", "冬の歌 for 50% less", "article")
    for query, expected in FINDING.items():
        assert await found(db, query) == expected, query
        assert await found(db, query, "video") == [each for each in expected if each.startswith("video")]


async def test_page_by_page(db: SqlDatabase) -> None:
    for number in range(5):
        await describe(db, str(number), "Word", "video" if number % 2 else "article")
    pages, after = list[str](), None
    for _ in range(6):
        page = await db.content_items.search(id_prefix="wo", words=["wo"], content_type=None, limit=1, after=after)
        pages += [f"{each.content.type}:{each.content.id}" for each in page]
        after = page[-1].content if page else after
    assert pages == ["article:0", "article:2", "article:4", "video:1", "video:3"] == await found(db)
