"""The audit never deletes or changes a line, whoever tries it; the only exception is the erasure of a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import SharetallyError
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    DATABASES,
    audit_entry,
    database_url_for,
    execute_sql,
    open_empty_database,
    write_rows,
)

pytestmark = pytest.mark.anyio

ERASED = "erased:01890a5d-ac96-774b-bcce-b302099a8057"
COLUMNS = (
    "id, at, subject_id, content_type, content_id, user_id, actor, action, "
    "platform, status, error_code, error_message, request_id"
)
_OTHERS = COLUMNS.replace("action", "'deleted'")
_AGAIN = f"INTO share_audit ({COLUMNS}) SELECT {_OTHERS} FROM share_audit"
REPLACING = {
    "sqlite": [
        f"REPLACE {_AGAIN}",
        f"INSERT OR REPLACE {_AGAIN}",
        f"INSERT {_AGAIN} WHERE true ON CONFLICT (id) DO UPDATE SET action = excluded.action",
        "UPDATE OR REPLACE share_audit SET id = (SELECT max(id) FROM share_audit)",
    ],
    "postgresql": [
        "TRUNCATE share_audit",
        f"INSERT {_AGAIN} ON CONFLICT (id) DO UPDATE SET action = excluded.action",
    ],
    "mysql": [
        f"REPLACE {_AGAIN}",
        f"INSERT {_AGAIN} ON DUPLICATE KEY UPDATE action = 'deleted'",
    ],
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
async def lines(db: SqlDatabase) -> list[AuditEntry]:
    """The lines, newest first, in the order in which they are read."""
    made = [audit_entry(), audit_entry(user_id="berta", error_code="rejected", error_message="berta's own words")]
    await write_rows(db, Writes(audit=made))
    return made[::-1]


async def stands(db: SqlDatabase) -> list[AuditEntry]:
    return await db.audit.page(AuditFilter(), limit=10, after=None)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM share_audit",
        "DELETE FROM share_audit WHERE user_id = 'anna'",
        "UPDATE share_audit SET action = 'reshared'",
        "UPDATE share_audit SET user_id = 'carla'",
        "UPDATE share_audit SET user_id = 'erased'",
        "UPDATE share_audit SET error_message = NULL WHERE user_id = 'berta'",
        "UPDATE share_audit SET actor = 'carla'",
        "UPDATE share_audit SET platform = NULL",
        "UPDATE share_audit SET request_id = ''",
        "UPDATE share_audit SET content_id = 'ABC'",
    ],
)
async def test_nothing_is_changed_or_deleted(db: SqlDatabase, lines: list[AuditEntry], statement: str) -> None:
    with pytest.raises(SharetallyError):
        await execute_sql(db, statement)
    assert await stands(db) == lines


async def test_nothing_is_replaced(db: SqlDatabase, url: str, lines: list[AuditEntry]) -> None:
    for statement in REPLACING[urlsplit(url).scheme]:
        with pytest.raises(SharetallyError):
            await execute_sql(db, statement)
        assert await stands(db) == lines


async def test_an_id_is_written_once(db: SqlDatabase, lines: list[AuditEntry]) -> None:
    with pytest.raises(SharetallyError):
        await write_rows(db, Writes(audit=[lines[0]._replace(action="deleted")]))
    assert await stands(db) == lines


async def test_a_person_is_erased(db: SqlDatabase, lines: list[AuditEntry]) -> None:
    statement = "UPDATE share_audit SET user_id = :erased, error_message = NULL WHERE user_id = :user"
    await execute_sql(db, statement, erased=ERASED, user="berta")
    berta, anna = lines
    assert await stands(db) == [berta._replace(user_id=ERASED, error_message=None), anna]


async def test_an_erased_user_is_also_erased_as_the_actor_of_their_own_actions(
    db: SqlDatabase, lines: list[AuditEntry]
) -> None:
    statement = "UPDATE share_audit SET user_id = :one, actor = :two, error_message = NULL WHERE user_id = 'anna'"
    await execute_sql(db, statement, one=ERASED, two=ERASED)
    berta, anna = lines
    assert await stands(db) == [berta, anna._replace(user_id=ERASED, actor=ERASED)]


@pytest.mark.parametrize(
    "changes",
    [
        "user_id = :erased",
        "user_id = :erased, error_message = 'other words'",
        "user_id = :erased, error_message = NULL, action = 'reshared'",
        "user_id = :erased, error_message = NULL, error_code = NULL",
        "user_id = :erased, error_message = NULL, content_id = 'ABC'",
        "user_id = :erased, error_message = NULL, actor = 'erased:somebody else'",
        "user_id = :erased, error_message = NULL, actor = user_id",
    ],
)
async def test_an_erasure_changes_nothing_else(db: SqlDatabase, lines: list[AuditEntry], changes: str) -> None:
    with pytest.raises(SharetallyError):
        await execute_sql(db, f"UPDATE share_audit SET {changes} WHERE user_id = 'berta'", erased=ERASED)
    assert await stands(db) == lines


async def test_a_name_is_matched_literally_and_not_as_a_pattern(db: SqlDatabase) -> None:
    names = ["a_b", "axb", "a%", "a", r"a\b", r"a\\b", "%", "_"]
    await write_rows(
        db, Writes(audit=[audit_entry(user_id=name, content=ContentRef(type="video", id=name)) for name in names])
    )
    for name in names:
        for which in (AuditFilter(user_id=name), AuditFilter(content_type="video", content_id=name)):
            assert [line.user_id for line in await db.audit.page(which, limit=10, after=None)] == [name]
