"""The pages that the benchmark times are the right ones: what a reader of the whole audit would pick out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields
from uuid import UUID

import pytest

from bench.filling import audit
from bench.sides.audit_row import PAGE, filters, random_line
from sharetally.adapters.databases.database import SqlDatabase, database_from_url
from sharetally.adapters.migrations import runner
from sharetally.domain.audit import AuditEntry
from sharetally.ports import AuditFilter

pytestmark = pytest.mark.anyio
LINES = 6_000


@pytest.fixture(params=["postgresql_url", "mysql_url"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SqlDatabase]:
    url: str = request.getfixturevalue(request.param)
    await asyncio.to_thread(runner.upgrade, url)
    await asyncio.to_thread(audit.fill, url, lines=LINES)
    opened = database_from_url(url)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def test_each_filter_returns_the_same_lines_as_a_full_scan(store: SqlDatabase) -> None:
    lines = await store.audit.page(AuditFilter(), limit=LINES + 1, after=None)
    assert len(lines) == LINES
    asked = filters(await random_line(store))
    found = {name: await store.audit.page(wanted, limit=PAGE, after=after) for name, (wanted, after) in asked.items()}
    picked = {name: _picked(lines, wanted, after) for name, (wanted, after) in asked.items()}
    assert found == picked
    assert sum(map(bool, found.values())) > len(found) / 2


def _picked(lines: list[AuditEntry], wanted: AuditFilter, after: UUID | None) -> list[AuditEntry]:
    return [line for line in lines if _passes(line, wanted) and (after is None or line.id < after)][:PAGE]


def _passes(line: AuditEntry, wanted: AuditFilter) -> bool:
    if (wanted.start and line.at < wanted.start) or (wanted.end and line.at >= wanted.end):
        return False
    if wanted.content_type and line.content.type != wanted.content_type:
        return False
    if wanted.content_id and line.content.id != wanted.content_id:
        return False
    same = [
        each.name for each in fields(AuditFilter) if each.name not in ("start", "end", "content_type", "content_id")
    ]
    return all(getattr(wanted, name) in (None, getattr(line, name)) for name in same)
