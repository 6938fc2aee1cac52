"""The read side: counts stored and exact, status by platform, links and audit page by page. Nothing here waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import earliest_id, new_id
from sharetally.domain.share import Evidence, Status
from sharetally.ports import AuditFilter, LinkFilter, LinkTarget, PlatformStatus, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    VIDEO,
    adjusted_event,
    adjustment,
    audit_entry,
    count_events,
    created_event,
    database_url_for,
    deleted_event,
    insert_shares,
    link,
    links_by_id,
    moved_event,
    open_empty_database,
    record,
    records_by_key,
    write_rows,
)

pytestmark = pytest.mark.anyio

NOBODY = ContentRef(type="video", id="nobody")


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def emit(db: SqlDatabase, *events: Event) -> list[Event]:
    await write_rows(db, Writes(events=list(events)))
    return list(events)


# counts as they are stored


async def test_nothing_was_ever_shared(db: SqlDatabase) -> None:
    for found in (await db.counts([VIDEO]), await db.consistent([VIDEO])):
        (nothing,) = found
        assert (nothing.content, nothing.shares, nothing.version, nothing.as_of) == (VIDEO, 0, 0, None)
        assert (nothing.evidence, nothing.channel, nothing.campaign) == ({}, {}, {})


async def test_reading_no_contents_returns_nothing(db: SqlDatabase) -> None:
    assert await db.counts([]) == []
    assert await db.consistent([]) == []


async def test_counts_come_in_the_order_asked(db: SqlDatabase) -> None:
    others = (link(channel="x", campaign="summer"), link(content=ARTICLE))
    totals = await count_events(db, await insert_shares(db, record(), record(user_id="berta"), *others))
    article, nobody, video, again = await db.counts([ARTICLE, NOBODY, VIDEO, ARTICLE])
    assert (article.shares, nobody.shares, video.shares) == (1, 0, 3)
    assert again == article
    assert video.evidence == {"declared": 2, "link": 1}
    assert video.channel == {"twitter": 2, "x": 1}
    assert video.campaign == {"none": 2, "summer": 1}
    assert (video.version, video.as_of) == (totals[VIDEO].version, totals[VIDEO].changed_at)


async def test_what_is_not_counted_yet_is_in_the_exact_count_only(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, link(channel="x")))
    await insert_shares(db, record())
    (stored,), (exact,) = await db.counts([VIDEO]), await db.consistent([VIDEO])
    assert (stored.shares, stored.channel) == (1, {"x": 1})
    assert (exact.shares, exact.channel) == (2, {"x": 1, "twitter": 1})
    assert (exact.evidence, exact.campaign) == ({"link": 1, "declared": 1}, {"none": 2})
    assert exact.version == stored.version


async def test_the_exact_count_of_what_was_never_counted(db: SqlDatabase) -> None:
    await insert_shares(db, record())
    (exact,) = await db.consistent([VIDEO])
    assert (exact.shares, exact.version, exact.as_of) == (1, 0, AT)


async def test_a_move_that_waits_is_in_the_exact_breakdown(db: SqlDatabase) -> None:
    made, handed_out = record(), link(channel="x", campaign="summer")
    await count_events(db, await insert_shares(db, made, handed_out))
    proven = made._replace(evidence=Evidence.POSTED)
    elsewhere = replace(handed_out, channel="y", campaign="")
    await emit(
        db,
        moved_event(proven, created_event(made).to or handed_out.cell, platform="twitter"),
        moved_event(elsewhere, handed_out.cell),
    )
    (exact,) = await db.consistent([VIDEO])
    assert exact.shares == 2
    assert exact.evidence == {"posted": 1, "link": 1}
    assert exact.channel == {"twitter": 1, "y": 1}
    assert exact.campaign == {"none": 2}


async def test_withdrawals_and_corrections_that_wait_are_in_the_exact_count(db: SqlDatabase) -> None:
    made = record()
    await count_events(db, await insert_shares(db, made, link()))
    await emit(db, deleted_event(made), adjusted_event(adjustment(40)))
    (exact,) = await db.consistent([VIDEO])
    assert exact.shares == 41
    assert exact.evidence == {"link": 1, "adjusted": 40}


async def test_what_is_parked_is_in_the_exact_count(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())
    await db.park(event.id, "poison")
    assert (await db.consistent([VIDEO]))[0].shares == 1


async def test_exact_counts_of_many_come_in_the_order_asked(db: SqlDatabase) -> None:
    contents = [ContentRef(type="video", id=f"v{number}") for number in range(200)]
    events = await insert_shares(db, *(link(content=each) for each in contents for _ in range(2)))
    await count_events(db, events[::2])
    found = await db.consistent([*reversed(contents), NOBODY])
    assert [each.content for each in found] == [*reversed(contents), NOBODY]
    assert [each.shares for each in found] == [2] * 200 + [0]


async def test_the_exact_count_is_stable_during_counting(db: SqlDatabase) -> None:
    """Two statements would see an event neither pending nor counted, or both."""
    events = await insert_shares(db, *(record(user_id=f"u{number}") for number in range(60)))
    counting = asyncio.gather(*(count_events(db, events[start : start + 3]) for start in range(0, 60, 3)))
    seen = set()
    while not counting.done():
        (exact,) = await db.consistent([VIDEO])
        seen.add((exact.shares, exact.channel["twitter"], exact.evidence["declared"]))
    await counting
    assert seen == {(60, 60, 60)}


# status by platform


async def test_status_counts_live_records_by_anyone(db: SqlDatabase) -> None:
    later = AT + timedelta(minutes=5)
    mine = record()
    await count_events(
        db, await insert_shares(db, mine, record(user_id="berta"), record(platform="email"), link(channel="twitter"))
    )
    await count_events(db, await emit(db, created_event(mine, job=Job.SHARE_UPDATED, delta=0, cell_delta=0, at=later)))
    assert await db.platform_status(VIDEO) == {
        "twitter": PlatformStatus(shares=2, last_shared_at=later),
        "email": PlatformStatus(shares=1, last_shared_at=AT),
    }
    assert await db.platform_status(ARTICLE) == {}


async def test_status_is_exact_before_anything_is_counted(db: SqlDatabase) -> None:
    later = AT + timedelta(minutes=5)
    counted, waits, gone = record(), record(user_id="berta"), record(platform="email")
    await count_events(db, await insert_shares(db, counted, gone))
    await write_rows(
        db,
        Writes(
            new_records=records_by_key(waits), events=[created_event(waits, at=later), deleted_event(gone, at=later)]
        ),
    )
    assert await db.platform_status(VIDEO) == {
        "twitter": PlatformStatus(shares=2, last_shared_at=later),
        "email": PlatformStatus(shares=0, last_shared_at=AT),
    }


async def test_status_of_a_share_that_was_taken_back_before_it_was_counted(db: SqlDatabase) -> None:
    made = record()
    await emit(db, created_event(made), deleted_event(made, at=AT + timedelta(seconds=1)))
    assert await db.platform_status(VIDEO) == {"twitter": PlatformStatus(shares=0, last_shared_at=AT)}


async def test_corrections_are_no_platform(db: SqlDatabase) -> None:
    await emit(db, adjusted_event(adjustment(7, channel="twitter")))
    assert await db.platform_status(VIDEO) == {}


# records and links


async def test_records_are_found_by_user_and_content_and_by_id(db: SqlDatabase) -> None:
    mine = [record(), record(platform="email", status=Status.WITHDRAWN)]
    others = [record(user_id="berta"), record(content=ARTICLE), record(user_id="Anna")]
    await write_rows(db, Writes(new_records=records_by_key(*mine, *others)))
    assert await db.user_records(VIDEO, "anna") == {each.platform: each for each in mine}
    assert await db.user_records(VIDEO, "nobody") == {}
    assert await db.record(others[0].id) == others[0]
    assert await db.record(new_id()) is None


async def test_links_are_found_by_id_and_by_code(db: SqlDatabase) -> None:
    made, gone = link(code="AbCdEfGhIj"), link(code="abcdefghij", deleted_at=AT)
    await write_rows(db, Writes(new_links=links_by_id(made, gone)))
    assert await db.link(gone.id) == gone
    assert await db.link(new_id()) is None
    found = await db.links_by_code(["AbCdEfGhIj", "ABCDEFGHIJ", "abcdefghij"])
    assert found == {
        "AbCdEfGhIj": LinkTarget(url=made.url, expired=False, deleted=False),
        "ABCDEFGHIJ": None,
        "abcdefghij": LinkTarget(url=gone.url, expired=False, deleted=True),
    }


async def test_a_link_expires_by_the_databases_clock(db: SqlDatabase) -> None:
    now = await db.now()
    soon, past = link(expires_at=now + timedelta(hours=1)), link(expires_at=now)
    await write_rows(db, Writes(new_links=links_by_id(soon, past)))
    found = await db.links_by_code([soon.code, past.code])
    assert found == {
        soon.code: LinkTarget(url=soon.url, expired=False, deleted=False),
        past.code: LinkTarget(url=past.url, expired=True, deleted=False),
    }


async def test_links_are_listed_newest_first_page_by_page(db: SqlDatabase) -> None:
    made = [link() for _ in range(7)]
    await write_rows(db, Writes(new_links=links_by_id(*made, link(deleted_at=AT))))
    newest = made[::-1]
    first = await db.links(LinkFilter(), limit=3, after=None)
    second = await db.links(LinkFilter(), limit=3, after=first[-1].id)
    third = await db.links(LinkFilter(), limit=3, after=second[-1].id)
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
    found = await db.links(LinkFilter(**which), limit=10, after=None)
    assert {each.id for each in found} == {made[name].id for name in finds}


# audit


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
    first = await db.audit(AuditFilter(), limit=2, after=None)
    second = await db.audit(AuditFilter(), limit=2, after=first[-1].id)
    third = await db.audit(AuditFilter(), limit=2, after=second[-1].id)
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
    found = await db.audit(AuditFilter(**which), limit=10, after=None)
    assert found == [made[name] for name in reversed(finds)]


async def test_kinds_are_listed_page_by_page(db: SqlDatabase) -> None:
    """A page of what several indexed ranges hold, newest first, goes on where the one before ended."""
    platforms = ("twitter", "email", "copy")
    made = [audit_entry(platform=platforms[n % 3], action=("shared", "reshared")[n % 2]) for n in range(20)]
    await write_rows(db, Writes(audit=[*made, audit_entry(action="withdrawn", status="withdrawn")]))
    found, after = list[UUID](), None
    while page := await db.audit(AuditFilter(status="success"), limit=3, after=after):
        after = page[-1].id
        found += [line.id for line in page]
    assert found == [line.id for line in reversed(made)]


async def test_a_record_is_found_by_its_id(db: SqlDatabase) -> None:
    line = audit_entry()
    await write_rows(db, Writes(audit=[line, audit_entry(subject_id=line.subject_id, user_id="berta"), audit_entry()]))
    assert len(await db.audit(AuditFilter(subject_id=line.subject_id), limit=9, after=None)) == 2
    assert await db.audit(AuditFilter(subject_id=line.subject_id, user_id="anna"), limit=9, after=None) == [line]
