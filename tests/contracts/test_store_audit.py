"""The audit trail as it is searched: page by page, with any filter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.audit import AuditEntry
from sharetally.domain.ids import earliest_id
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    audit_entry,
    database_url_for,
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


LINES: dict[str, dict[str, Any]] = {
    "a": {},
    "b": {"user_id": "berta", "actor": "key:server", "at": AT + timedelta(seconds=1)},
    "c": {"content": ARTICLE, "platform": "email", "at": AT + timedelta(seconds=2)},
    "d": {"action": "withdrawn", "status": "withdrawn", "request_id": "request-2", "at": AT + timedelta(seconds=3)},
    "e": {"action": "link_created", "platform": None, "status": None, "at": AT + timedelta(seconds=4)},
}


def _id_at(at: datetime) -> UUID:
    return UUID(int=earliest_id(at).int + 1)


async def trail(db: SqlDatabase) -> dict[str, AuditEntry]:
    made = {name: audit_entry(**changes) for name, changes in LINES.items()}
    made = {name: line._replace(id=_id_at(line.at)) for name, line in made.items()}
    await write_rows(db, Writes(audit=list(made.values())))
    return made


async def test_the_audit_is_listed_newest_first_page_by_page(db: SqlDatabase) -> None:
    newest = list((await trail(db)).values())[::-1]
    first = await db.audit.page(AuditFilter(), limit=2, after=None)
    second = await db.audit.page(AuditFilter(), limit=2, after=first[-1].id)
    third = await db.audit.page(AuditFilter(), limit=2, after=second[-1].id)
    assert (first, second, third) == (newest[:2], newest[2:4], newest[4:])


@pytest.mark.parametrize(
    ("which", "finds"),
    [
        ({}, "abcde"),
        ({"content_type": "video"}, "abde"),
        ({"content_type": "article", "content_id": "abc"}, "c"),
        ({"content_id": "ABC"}, ""),
        ({"content_id": "abc"}, "abcde"),
        ({"content_id": "abc", "platform": "email"}, "c"),
        ({"action": "link_created"}, "e"),
        ({"action": "shared"}, "abc"),
        ({"action": "shared", "status": "success"}, "abc"),
        ({"action": "shared", "status": "failed"}, ""),
        ({"action": "nothing"}, ""),
        ({"status": "withdrawn", "platform": "twitter", "user_id": "anna"}, "d"),
        ({"content_type": "article", "status": "success"}, "c"),
        ({"platform": "email", "end": AT + timedelta(seconds=2)}, ""),
        ({"platform": "email"}, "c"),
        ({"platform": "twitter"}, "abd"),
        ({"user_id": "berta"}, "b"),
        ({"user_id": "Berta"}, ""),
        ({"status": "success"}, "abc"),
        ({"action": "withdrawn"}, "d"),
        ({"request_id": "request-2"}, "d"),
        ({"start": AT + timedelta(seconds=1)}, "bcde"),
        ({"end": AT + timedelta(seconds=1)}, "a"),
        ({"start": AT + timedelta(seconds=1), "end": AT + timedelta(seconds=3)}, "bc"),
        ({"start": AT + timedelta(microseconds=1), "platform": "twitter", "status": "success"}, "b"),
    ],
)
async def test_the_audit_is_filtered(db: SqlDatabase, which: dict[str, Any], finds: str) -> None:
    made = await trail(db)
    found = await db.audit.page(AuditFilter(**which), limit=10, after=None)
    assert found == [made[name] for name in reversed(finds)]


async def test_kinds_are_listed_page_by_page(db: SqlDatabase) -> None:
    """A page of what several indexed ranges hold, newest first, goes on where the one before ended."""
    platforms = ("twitter", "email", "copy")
    made = [audit_entry(platform=platforms[n % 3], action=("shared", "reshared")[n % 2]) for n in range(20)]
    await write_rows(db, Writes(audit=[*made, audit_entry(action="withdrawn", status="withdrawn")]))
    found, after = list[UUID](), None
    while page := await db.audit.page(AuditFilter(status="success"), limit=3, after=after):
        after = page[-1].id
        found += [line.id for line in page]
    assert found == [line.id for line in reversed(made)]


async def test_a_record_is_found_by_its_id(db: SqlDatabase) -> None:
    line = audit_entry()
    await write_rows(db, Writes(audit=[line, audit_entry(subject_id=line.subject_id, user_id="berta"), audit_entry()]))
    assert len(await db.audit.page(AuditFilter(subject_id=line.subject_id), limit=9, after=None)) == 2
    assert await db.audit.page(AuditFilter(subject_id=line.subject_id, user_id="anna"), limit=9, after=None) == [line]
