"""Share links as they are read: by id, by code, and page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.ids import new_id
from sharetally.ports import LinkFilter, LinkTarget, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    database_url_for,
    link,
    links_by_id,
    open_empty_database,
    write_rows,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def test_links_are_found_by_id_and_by_code(db: SqlDatabase) -> None:
    made, gone = link(code="AbCdEfGhIj"), link(code="abcdefghij", deleted_at=AT)
    await write_rows(db, Writes(new_links=links_by_id(made, gone)))
    assert await db.links.by_id(gone.id) == gone
    assert await db.links.by_id(new_id()) is None
    found = await db.links.targets(["AbCdEfGhIj", "ABCDEFGHIJ", "abcdefghij"])
    assert found == {
        "AbCdEfGhIj": LinkTarget(url=made.url, expired=False, deleted=False),
        "ABCDEFGHIJ": None,
        "abcdefghij": LinkTarget(url=gone.url, expired=False, deleted=True),
    }


async def test_a_link_expires_by_the_databases_clock(db: SqlDatabase) -> None:
    now = await db.events.now()
    soon, past = link(expires_at=now + timedelta(hours=1)), link(expires_at=now)
    await write_rows(db, Writes(new_links=links_by_id(soon, past)))
    found = await db.links.targets([soon.code, past.code])
    assert found == {
        soon.code: LinkTarget(url=soon.url, expired=False, deleted=False),
        past.code: LinkTarget(url=past.url, expired=True, deleted=False),
    }


async def test_links_are_listed_newest_first_page_by_page(db: SqlDatabase) -> None:
    made = [link() for _ in range(7)]
    await write_rows(db, Writes(new_links=links_by_id(*made, link(deleted_at=AT))))
    newest = made[::-1]
    first = await db.links.page(LinkFilter(), limit=3, after=None)
    second = await db.links.page(LinkFilter(), limit=3, after=first[-1].id)
    third = await db.links.page(LinkFilter(), limit=3, after=second[-1].id)
    assert (first, second, third) == (newest[:3], newest[3:6], newest[6:])


@pytest.mark.parametrize(
    ("which", "finds"),
    [
        ({}, "abcd"),
        ({"content_type": "video"}, "abc"),
        ({"content_type": "video", "content_id": "abc"}, "abc"),
        ({"content_id": "abc"}, "abcd"),
        ({"content_id": "ABC"}, ""),
        ({"user_id": "anna"}, "abd"),
        ({"campaign": "summer"}, "b"),
        ({"campaign": ""}, "acd"),
        ({"user_id": "anna", "campaign": "", "content_type": "video"}, "a"),
    ],
)
async def test_links_are_filtered(db: SqlDatabase, which: dict[str, str], finds: str) -> None:
    made = {
        "a": link(),
        "b": link(campaign="summer"),
        "c": link(user_id="berta"),
        "d": link(content=ARTICLE),
    }
    await write_rows(db, Writes(new_links=links_by_id(*made.values(), link(deleted_at=AT))))
    found = await db.links.page(LinkFilter(**which), limit=10, after=None)
    assert {each.id for each in found} == {made[name].id for name in finds}
