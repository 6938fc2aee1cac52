"""Whether commits are durable, as each database says about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from tests.contracts.database_rows import DATABASES, database_url_for, execute_sql, open_database, query_int

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_database(url) as opened:
        yield opened


async def test_a_setting_that_may_lose_commits_is_named(db: SqlDatabase, url: str) -> None:
    """Nobody may change the server of MariaDB for all others here, so there the answer is compared with its setting."""
    weak = await db.durability.weak_settings()
    match urlsplit(url).scheme:
        case "sqlite":
            assert weak == {}
        case "postgresql":
            assert "synchronous_commit" not in weak
            name = urlsplit(url).path.lstrip("/")
            await execute_sql(db, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
            async with open_database(url) as later:
                assert (await later.durability.weak_settings())["synchronous_commit"] == "off"
            await execute_sql(db, f'ALTER DATABASE "{name}" RESET synchronous_commit')
        case _:
            value = await query_int(db, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")
            assert weak == ({} if value in {1, 3} else {"innodb_flush_log_at_trx_commit": str(value)})
