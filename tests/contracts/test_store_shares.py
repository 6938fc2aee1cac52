"""Share records as they are read: by id, and by user and content item."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.ids import new_id
from sharetally.domain.share import Status
from sharetally.ports import Writes
from tests.contracts.database_rows import (
    ARTICLE,
    DATABASES,
    VIDEO,
    database_url_for,
    open_empty_database,
    record,
    records_by_key,
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


async def test_records_are_found_by_user_and_content_and_by_id(db: SqlDatabase) -> None:
    mine = [record(), record(platform="email", status=Status.WITHDRAWN)]
    others = [record(user_id="berta"), record(content=ARTICLE), record(user_id="Anna")]
    await write_rows(db, Writes(new_records=records_by_key(*mine, *others)))
    assert await db.shares.of_user(VIDEO, "anna") == {each.platform: each for each in mine}
    assert await db.shares.of_user(VIDEO, "nobody") == {}
    assert await db.shares.by_id(others[0].id) == others[0]
    assert await db.shares.by_id(new_id()) is None
