"""The revision of the schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.migrations import HEAD
from tests.contracts.database_rows import (
    DATABASES,
    database_url_for,
    open_database,
    open_empty_database,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def test_the_revision_is_the_heads(db: SqlDatabase) -> None:
    assert await db.schema.revision() == HEAD


async def test_an_empty_database_has_no_revision(database_url: str) -> None:
    async with open_database(database_url) as bare:
        assert await bare.schema.revision() is None
