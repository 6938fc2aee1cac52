"""The events as relay, operators and metrics see them: claims, marks, what is parked and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action
from sharetally.ports import AuditFilter, Backlog, EventHead, References, Writes
from tests.contracts.database_rows import (
    AT,
    SERVERS,
    VIDEO,
    adjustment,
    created,
    entry,
    link,
    migrated,
    opened,
    record,
    run,
    write,
)

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("database_url", SERVERS, indirect=True)

SHARES = (Job.SHARE_CREATED, Job.SHARE_DELETED)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[SqlDatabase]:
    async with migrated(database_url) as made:
        yield made


async def emit(db: SqlDatabase, number: int = 1, job: str = Job.SHARE_CREATED) -> list[Event]:
    events = [created(record(), job=job) for _ in range(number)]
    await write(db, Writes(events=events))
    return events


def head(event: Event) -> EventHead:
    return EventHead(id=event.id, job=str(event.job), content=event.content)


async def age(db: SqlDatabase, event: Event, since: timedelta, column: str = "sent_at") -> None:
    """Make an event older than it is."""
    when = (await db.now()) - since
    naive: object = when.replace(tzinfo=None).isoformat(" ", "microseconds")
    await run(db, f"UPDATE events SET {column} = CAST(:at AS {await _time(db)}) WHERE request_id = :id", at=naive, id=event.request_id)


async def _time(db: SqlDatabase) -> str:
    return "x"


# the clock


async def test_the_database_tells_the_time(db: SqlDatabase) -> None:
    here = datetime.now(UTC)
    assert abs((await db.now()) - here) < timedelta(seconds=30)
