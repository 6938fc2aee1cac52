"""The events as relay, operators and metrics see them: claims, marks, and parked events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action
from sharetally.ports import AuditFilter, Backlog, EventRef, LockSet, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    SERVERS,
    VIDEO,
    adjustment,
    audit_entry,
    count_events,
    created_event,
    database_url_for,
    execute_sql,
    insert_shares,
    open_database,
    open_empty_database,
    record,
    write_rows,
)

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)

JOBS = (Job.SHARE_CREATED, Job.SHARE_DELETED)
A_MINUTE_AGO = {
    "postgresql": "clock_timestamp() - INTERVAL '60 seconds'",
    "mysql": "CURRENT_TIMESTAMP(6) - INTERVAL 60 SECOND",
    "sqlite": "strftime('%Y-%m-%d %H\\:%M\\:%f000', 'now', '-60 seconds')",
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
def a_minute_ago(url: str) -> str:
    return A_MINUTE_AGO[urlsplit(url).scheme]


async def emit(db: SqlDatabase, number: int = 1, job: str = Job.SHARE_CREATED) -> list[Event]:
    """New events, each with its own request id, by which plain SQL finds it."""
    events = [created_event(record(), job=job, request_id=str(new_id())) for _ in range(number)]
    await write_rows(db, Writes(events=events))
    return events


def heads(*events: Event) -> list[EventRef]:
    return [EventRef(id=event.id, job=str(event.job), content=event.content) for event in events]


# the clock, and what is waiting


async def test_now_is_the_time_of_the_database(db: SqlDatabase) -> None:
    told = await db.events.now()
    assert told.tzinfo is not None
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=30)


async def test_an_empty_outbox_has_no_backlog(db: SqlDatabase) -> None:
    assert await db.events.backlog() == Backlog(pending=0, parked=0, oldest=0.0)
    assert not await db.events.has_unburned_older_than(0)


async def test_pending_and_parked_events_are_counted_separately(db: SqlDatabase) -> None:
    one, *_ = await emit(db, 3)
    await db.events.park(one.id, "poison")
    found = await db.events.backlog()
    assert (found.pending, found.parked) == (2, 1)
    assert 0 <= found.oldest < 30


async def test_the_oldest_is_as_old_as_it_was_written(db: SqlDatabase, a_minute_ago: str) -> None:
    old, *_ = await emit(db, 3)
    await execute_sql(db, f"UPDATE events SET created_at = {a_minute_ago} WHERE request_id = :id", id=old.request_id)
    assert 59 < (await db.events.backlog()).oldest < 90
    await db.events.park(old.id, "set aside")
    assert (await db.events.backlog()).oldest < 30


async def test_whether_anything_was_sent_long_ago(db: SqlDatabase, a_minute_ago: str) -> None:
    old, *_ = await emit(db, 2)
    assert not await db.events.has_unburned_older_than(30)
    await execute_sql(db, f"UPDATE events SET sent_at = {a_minute_ago} WHERE request_id = :id", id=old.request_id)
    assert await db.events.has_unburned_older_than(30)
    assert not await db.events.has_unburned_older_than(90)
    await db.events.park(old.id, "nobody sends it")
    assert not await db.events.has_unburned_older_than(30)


# claims


async def test_all_are_claimed_oldest_first(db: SqlDatabase) -> None:
    events = await emit(db, 5)
    assert await db.events.claim(JOBS, None, 3) == heads(*events[:3])


async def test_a_claimed_event_is_marked_as_sent_now(db: SqlDatabase, a_minute_ago: str) -> None:
    events = await emit(db, 5)
    await execute_sql(db, f"UPDATE events SET sent_at = {a_minute_ago}")
    before = (await db.events.now()) - timedelta(seconds=30)
    assert await db.events.claim(JOBS, before, 3) == heads(*events[:3])
    assert await db.events.claim(JOBS, before, 3) == heads(*events[3:])
    assert await db.events.claim(JOBS, before, 3) == []


async def test_a_recently_sent_event_is_not_claimed(db: SqlDatabase, a_minute_ago: str) -> None:
    old, _fresh = await emit(db, 2)
    await execute_sql(db, f"UPDATE events SET sent_at = {a_minute_ago} WHERE request_id = :id", id=old.request_id)
    assert await db.events.claim(JOBS, (await db.events.now()) - timedelta(seconds=30), 10) == heads(old)


async def test_only_these_jobs_are_claimed(db: SqlDatabase) -> None:
    (post,) = await emit(db, 1, Job.SHARE_POST)
    (made,) = await emit(db, 1)
    assert await db.events.claim(JOBS, None, 10) == heads(made)
    assert await db.events.claim([Job.SHARE_POST], None, 10) == heads(post)
    assert await db.events.claim([], None, 10) == []


async def test_a_parked_event_is_not_claimed(db: SqlDatabase) -> None:
    one, other = await emit(db, 2)
    await db.events.park(one.id, "poison")
    assert await db.events.claim(JOBS, None, 10) == heads(other)


async def test_claims_are_counted_on_the_row(db: SqlDatabase) -> None:
    (event,) = await emit(db)
    await db.events.claim(JOBS, None, 10)
    await db.events.claim(JOBS, None, 10)
    await db.events.park(event.id, "enough")
    parked = await db.events.parked_by_id(event.id)
    assert parked is not None
    assert parked.attempts == 2


@on_servers
async def test_locked_events_are_skipped(db: SqlDatabase) -> None:
    held, free = await emit(db, 2)
    async with db.transaction() as tx:
        await tx.take([held.id])
        assert await db.events.claim(JOBS, None, 10) == heads(free)


async def test_two_relays_claim_different_events(db: SqlDatabase, url: str, a_minute_ago: str) -> None:
    events = await emit(db, 200)
    await execute_sql(db, f"UPDATE events SET sent_at = {a_minute_ago}")
    before = (await db.events.now()) - timedelta(seconds=30)
    async with open_database(url) as other:
        found = await asyncio.gather(*(who.events.claim(JOBS, before, 20) for who in (db, other) for _ in range(10)))
    claimed = [each for part in found for each in part]
    assert len(claimed) == len(set(claimed))
    rest = await db.events.claim(JOBS, before, 200)  # a relay may skip what the other one has just checked
    assert {*claimed, *rest} == set(heads(*events))


# marks


async def test_marks_are_kept_by_queue_and_never_go_back(db: SqlDatabase) -> None:
    assert await db.events.marks() == {}
    await db.events.mark("count", AT)
    await db.events.mark("post", AT + timedelta(seconds=1))
    await db.events.mark("count", AT - timedelta(microseconds=1))
    assert await db.events.marks() == {"count": AT, "post": AT + timedelta(seconds=1)}
    await db.events.mark("count", AT + timedelta(microseconds=1))
    assert (await db.events.marks())["count"] == AT + timedelta(microseconds=1)


async def test_of_marks_at_once_the_newest_stays(db: SqlDatabase) -> None:
    times = [AT + timedelta(seconds=offset) for offset in (3, 9, 1, 7, 5)]
    await asyncio.gather(*(db.events.mark("count", at) for at in times))
    assert await db.events.marks() == {"count": AT + timedelta(seconds=9)}


# parked events


async def test_parking_stores_the_reason_and_repeating_replaces_it(db: SqlDatabase) -> None:
    (event,) = await emit(db)
    await db.events.park(event.id, "first")
    await db.events.park(event.id, "x" * 600)
    parked = await db.events.parked_by_id(event.id)
    assert parked is not None
    assert (parked.event, parked.reason) == (event, "x" * 500)
    assert abs(parked.created_at - await db.events.now()) < timedelta(seconds=30)


async def test_parking_a_missing_event_changes_nothing(db: SqlDatabase) -> None:
    await db.events.park(new_id(), "nobody home")
    assert (await db.events.backlog()).parked == 0


async def test_a_reason_is_cut_between_characters(db: SqlDatabase) -> None:
    (event,) = await emit(db)
    await db.events.park(event.id, "\U0001f4a5" * 501)
    parked = await db.events.parked_by_id(event.id)
    assert parked is not None
    assert parked.reason == "\U0001f4a5" * 500


async def test_parked_events_are_listed_newest_first(db: SqlDatabase) -> None:
    events = await emit(db, 5)
    for event in events[:4]:
        await db.events.park(event.id, "poison")
    newest = [event.id for event in reversed(events[:4])]
    first = await db.events.parked(limit=3)
    assert [each.event.id for each in first] == newest[:3]
    assert [each.event.id for each in await db.events.parked(limit=3, after=first[-1].event.id)] == newest[3:]


async def test_only_parked_events_are_listed(db: SqlDatabase) -> None:
    (event,) = await emit(db)
    assert await db.events.parked_by_id(event.id) is None
    assert await db.events.parked_by_id(new_id()) is None
    assert await db.events.parked(limit=10) == []


async def test_an_unparked_event_is_pending_and_marked_as_just_sent(db: SqlDatabase, a_minute_ago: str) -> None:
    one, other, free = await emit(db, 3)
    for event in (one, other):
        await db.events.park(event.id, "poison")
    await execute_sql(db, f"UPDATE events SET sent_at = {a_minute_ago}")
    found = await db.events.unpark([other.id, one.id, free.id, new_id(), one.id])
    assert sorted(found, key=lambda each: each.id) == heads(one, other)
    assert await db.events.unpark([one.id, other.id]) == []
    assert (await db.events.backlog()).pending == 3
    before = (await db.events.now()) - timedelta(seconds=30)
    assert await db.events.claim(JOBS, before, 10) == heads(free)


async def test_unparking_nothing_changes_nothing(db: SqlDatabase) -> None:
    assert await db.events.unpark([]) == []


async def test_an_invalid_job_is_stored_as_parked(db: SqlDatabase) -> None:
    strange = Event(id=new_id(), job=Job.SHARE_INBOUND, content=ARTICLE, at=AT, payload='{"jobId": 7}')
    await db.events.add_parked(strange, "jobId: must be text")
    parked = await db.events.parked_by_id(strange.id)
    assert parked is not None
    assert (parked.event, parked.reason) == (strange, "jobId: must be text")
    assert await db.events.claim([Job.SHARE_INBOUND], None, 10) == []


async def test_discarding_writes_a_compensating_adjustment(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())
    await db.events.park(event.id, "poison")
    line = audit_entry(action=Action.DISCARDED.value, actor="ops", error_message="a test")
    cancels = adjustment(-1, evidence="declared", channel="twitter", platform="twitter")
    assert await db.events.discard(event.id, [cancels], line)
    assert await db.events.parked_by_id(event.id) is None
    async with db.transaction() as tx:
        found = await tx.lock(LockSet(adjustments=frozenset({cancels.request_key})))
    assert found.adjustments == {cancels.request_key: cancels}
    assert await db.audit.page(AuditFilter(), limit=10, after=None) == [line]
    assert (await db.proof.verify(VIDEO, lambda _: None)).drifted == ()


async def test_discarding_twice_changes_nothing(db: SqlDatabase) -> None:
    (event,) = await emit(db)
    await db.events.park(event.id, "poison")
    assert await db.events.discard(event.id, [], audit_entry())
    assert not await db.events.discard(event.id, [adjustment()], audit_entry())
    assert len(await db.audit.page(AuditFilter(), limit=10, after=None)) == 1


async def test_an_event_that_is_not_parked_is_not_discarded(db: SqlDatabase) -> None:
    (event,) = await emit(db)
    assert not await db.events.discard(event.id, [adjustment(-1)], audit_entry())
    assert (await db.events.backlog()).pending == 1
    assert await db.audit.page(AuditFilter(), limit=10, after=None) == []


async def test_of_two_that_discard_at_once_one_does(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())
    await db.events.park(event.id, "poison")
    cancels = [adjustment(-1, evidence="declared", channel="twitter", platform="twitter") for _ in range(5)]
    done = await asyncio.gather(*(db.events.discard(event.id, [each], audit_entry()) for each in cancels))
    assert sorted(done) == [False] * 4 + [True]
    assert (await db.proof.verify(VIDEO, lambda _: None)).drifted == ()


async def test_an_event_that_is_parked_while_it_is_counted_is_counted(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())
    await asyncio.gather(count_events(db, [event]), db.events.park(event.id, "too late"))
    found = await db.events.backlog()
    shares = (await db.counts.stored([VIDEO]))[0].shares
    assert (shares, found.parked) in {(1, 0), (0, 1)}
