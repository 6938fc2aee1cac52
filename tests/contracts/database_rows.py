"""What the database suites share: a database at the head, legal values, and the steps of writers and counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.database import SqlDatabase, database_from_url
from sharetally.adapters.migrations.runner import upgrade
from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.count import fold
from sharetally.domain.errors import TransientConflict
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.link import ShareLink, new_link_code
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.flow.share_commands import record_cell
from sharetally.ports import AuditFilter, Session, Total, Writes

T = TypeVar("T")
VIDEO = ContentRef(type="video", id="abc")
ARTICLE = ContentRef(type="article", id="abc")
AT = datetime(2026, 11, 20, 12, 34, 56, 123456, tzinfo=UTC)
DATABASES = ("sqlite", "postgresql", "mysql")
SERVERS = ("postgresql", "mysql")  # the databases that more than one writer may write to


def database_url_for(request: pytest.FixtureRequest, folder: Path) -> str:
    """A file of the test's own, or the database of its module on a server; the fixture's parameter says which."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/sharetally.db"
    url: str = request.getfixturevalue(f"module_{request.param}_url")
    return url


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[SqlDatabase]:
    """The database as one more process sees it."""
    db = database_from_url(url)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def open_empty_database(url: str) -> AsyncIterator[SqlDatabase]:
    """An open database at the head, without a row."""
    async with open_database(url) as db:
        if await db.schema.revision() is None:
            await asyncio.to_thread(upgrade, url)
        else:
            await _empty(db, urlsplit(url).scheme)
        yield db


async def _empty(db: SqlDatabase, scheme: str) -> None:
    """The audit protects its lines: PostgreSQL needs its triggers disabled, MariaDB truncates."""
    others = [f"DELETE FROM {name}" for name in tables.metadata.tables if name != "share_audit"]
    audit = ["TRUNCATE share_audit"]
    if scheme == "postgresql":
        aside, back = (f"ALTER TABLE share_audit {word} TRIGGER USER" for word in ("DISABLE", "ENABLE"))
        audit = [aside, "DELETE FROM share_audit", back]
    elif not await db.audit.page(AuditFilter(), limit=1, after=None):
        audit = []
    async with db.transaction() as tx:
        for statement in (*others, *audit):
            await tx.execute(statement, {})


# values


def record(**changes: Any) -> ShareRecord:
    """A live share of VIDEO by anna."""
    stands = ShareRecord(
        id=new_id(),
        content=VIDEO,
        platform="twitter",
        user_id="anna",
        status=Status.SUCCESS,
        evidence=Evidence.DECLARED,
        attempt_count=1,
        first_shared_at=AT,
        last_shared_at=AT,
    )
    return stands._replace(**changes)


def link(**changes: Any) -> ShareLink:
    """A live link of anna's to VIDEO."""
    stands = ShareLink(
        id=new_id(),
        code=new_link_code(),
        content=VIDEO,
        user_id="anna",
        channel="",
        campaign="",
        url="https://example.org/abc",
        created_at=AT,
        updated_at=AT,
    )
    return replace(stands, **changes)


def adjustment(amount: int = 5, **changes: Any) -> Adjustment:
    """A correction of VIDEO's count."""
    made = new_id()
    stands = Adjustment(
        id=made,
        request_key=f"job-{made}",
        content=VIDEO,
        amount=amount,
        channel="",
        campaign="",
        reason="imported",
        actor="key:importer",
    )
    return replace(stands, **changes)


def audit_entry(**changes: Any) -> AuditEntry:
    """A line of the audit about VIDEO."""
    stands = AuditEntry(
        id=new_id(),
        at=AT,
        subject_id=new_id(),
        content=VIDEO,
        user_id="anna",
        actor="anna",
        action="shared",
        platform="twitter",
        status="success",
        request_id="request-1",
    )
    return stands._replace(**changes)


def session(**changes: Any) -> Session:
    """Anna's session in the console, of an hour."""
    stands = Session(
        id=new_id(),
        digest=token_bytes(32),
        user_id="anna",
        name=None,
        scopes=frozenset({"audit", "analytics"}),
        created_at=AT,
        seen_at=AT,
        expires_at=AT + timedelta(hours=1),
    )
    return replace(stands, **changes)


def created_event(of: ShareRecord | ShareLink, **changes: Any) -> Event:
    """The token of a share that was made."""
    by_record = isinstance(of, ShareRecord)
    stands = Event(
        id=new_id(),
        job=Job.SHARE_CREATED,
        content=of.content,
        at=AT,
        delta=1,
        cell_delta=1,
        to=record_cell(of) if isinstance(of, ShareRecord) else of.cell,
        platform=of.platform if isinstance(of, ShareRecord) else None,
        share_id=of.id,
        user_id=of.user_id,
        request_id="request-1" if by_record else "",
    )
    return stands._replace(**changes)


def deleted_event(of: ShareRecord | ShareLink, **changes: Any) -> Event:
    """The token of a share that was withdrawn."""
    return created_event(of, job=Job.SHARE_DELETED, delta=-1, cell_delta=-1, **changes)


def moved_event(of: ShareRecord | ShareLink, origin: Cell, **changes: Any) -> Event:
    """The event of a share that moved from `origin` to its present cell."""
    return created_event(
        of, job=Job.SHARE_UPDATED, delta=0, cell_delta=1, origin=origin, **{"platform": None, **changes}
    )


def adjusted_event(of: Adjustment) -> Event:
    """The token of a correction."""
    return Event(
        id=new_id(),
        job=Job.SHARE_COUNT_UPDATE,
        content=of.content,
        at=AT,
        delta=of.amount,
        cell_delta=of.amount,
        to=of.cell,
        platform=of.platform,
        share_id=of.id,
    )


# steps


def records_by_key(*records: ShareRecord) -> dict[Any, ShareRecord]:
    return {each.key: each for each in records}


def links_by_id(*links: ShareLink) -> dict[Any, ShareLink]:
    return {each.id: each for each in links}


async def write_rows(db: SqlDatabase, writes: Writes) -> None:
    """Write in a transaction of its own."""
    async with db.transaction() as tx:
        await tx.write(writes)


async def insert_shares(db: SqlDatabase, *shares: ShareRecord | ShareLink) -> list[Event]:
    """Write new shares with their tokens, not counted yet."""
    records = [each for each in shares if isinstance(each, ShareRecord)]
    links = [each for each in shares if isinstance(each, ShareLink)]
    events = [created_event(each) for each in shares]
    await write_rows(db, Writes(new_records=records_by_key(*records), new_links=links_by_id(*links), events=events))
    return events


async def count_events(db: SqlDatabase, events: Sequence[Event]) -> Mapping[ContentRef, Total]:
    """Burn tokens and move what they say, as the counter does; a deadlock runs it again."""

    async def once() -> Mapping[ContentRef, Total]:
        async with db.transaction() as tx:
            taken = await tx.take([event.id for event in events])
            await tx.burn([event.id for event in taken])
            return await tx.move(fold(taken)) if taken else {}

    return await retry_transient(once)


async def retry_transient(step: Callable[[], Awaitable[T]]) -> T:
    """Run until there is no conflict; at most as often as the committer would."""
    for _ in range(20):
        try:
            return await step()
        except TransientConflict:
            continue
    return await step()


async def execute_sql(db: SqlDatabase, statement: str, **parameters: object) -> list[Mapping[str, object]]:
    """Plain SQL in a transaction of its own."""
    async with db.transaction() as tx:
        return await tx.execute(statement, parameters)


async def query_int(db: SqlDatabase, statement: str, **parameters: object) -> int:
    """The single number that a query answers."""
    (row,) = await execute_sql(db, statement, **parameters)
    (value,) = row.values()
    assert isinstance(value, int)
    return value
