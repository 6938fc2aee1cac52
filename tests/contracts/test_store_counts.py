"""Reading counts: stored and exact counts, and the status by platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event, Job
from sharetally.domain.share import Evidence
from sharetally.ports import PlatformStatus, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    VIDEO,
    adjusted_event,
    adjustment,
    count_events,
    created_event,
    database_url_for,
    deleted_event,
    insert_shares,
    link,
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
    for found in (await db.counts.stored([VIDEO]), await db.counts.exact([VIDEO])):
        (nothing,) = found
        assert (nothing.content, nothing.shares, nothing.version, nothing.as_of) == (VIDEO, 0, 0, None)
        assert (nothing.evidence, nothing.channel, nothing.campaign) == ({}, {}, {})


async def test_reading_no_contents_returns_nothing(db: SqlDatabase) -> None:
    assert await db.counts.stored([]) == []
    assert await db.counts.exact([]) == []


async def test_counts_keep_the_requested_order(db: SqlDatabase) -> None:
    others = (link(channel="x", campaign="summer"), link(content=ARTICLE))
    totals = await count_events(db, await insert_shares(db, record(), record(user_id="berta"), *others))
    article, nobody, video, again = await db.counts.stored([ARTICLE, NOBODY, VIDEO, ARTICLE])
    assert (article.shares, nobody.shares, video.shares) == (1, 0, 3)
    assert again == article
    assert video.evidence == {"declared": 2, "link": 1}
    assert video.channel == {"twitter": 2, "x": 1}
    assert video.campaign == {"none": 2, "summer": 1}
    assert (video.version, video.as_of) == (totals[VIDEO].version, totals[VIDEO].changed_at)


async def test_an_uncounted_share_is_only_in_the_exact_count(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, link(channel="x")))
    await insert_shares(db, record())
    (stored,), (exact,) = await db.counts.stored([VIDEO]), await db.counts.exact([VIDEO])
    assert (stored.shares, stored.channel) == (1, {"x": 1})
    assert (exact.shares, exact.channel) == (2, {"x": 1, "twitter": 1})
    assert (exact.evidence, exact.campaign) == ({"link": 1, "declared": 1}, {"none": 2})
    assert exact.version == stored.version


async def test_the_exact_count_of_content_that_was_never_counted(db: SqlDatabase) -> None:
    await insert_shares(db, record())
    (exact,) = await db.counts.exact([VIDEO])
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
    (exact,) = await db.counts.exact([VIDEO])
    assert exact.shares == 2
    assert exact.evidence == {"posted": 1, "link": 1}
    assert exact.channel == {"twitter": 1, "y": 1}
    assert exact.campaign == {"none": 2}


async def test_withdrawals_and_corrections_that_wait_are_in_the_exact_count(db: SqlDatabase) -> None:
    made = record()
    await count_events(db, await insert_shares(db, made, link()))
    await emit(db, deleted_event(made), adjusted_event(adjustment(40)))
    (exact,) = await db.counts.exact([VIDEO])
    assert exact.shares == 41
    assert exact.evidence == {"link": 1, "adjusted": 40}


async def test_a_parked_event_is_in_the_exact_count(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())
    await db.events.park(event.id, "poison")
    assert (await db.counts.exact([VIDEO]))[0].shares == 1


async def test_exact_counts_keep_the_requested_order(db: SqlDatabase) -> None:
    contents = [ContentRef(type="video", id=f"v{number}") for number in range(200)]
    events = await insert_shares(db, *(link(content=each) for each in contents for _ in range(2)))
    await count_events(db, events[::2])
    found = await db.counts.exact([*reversed(contents), NOBODY])
    assert [each.content for each in found] == [*reversed(contents), NOBODY]
    assert [each.shares for each in found] == [2] * 200 + [0]


async def test_the_exact_count_is_stable_during_counting(db: SqlDatabase) -> None:
    """Two statements would see an event neither pending nor counted, or both."""
    events = await insert_shares(db, *(record(user_id=f"u{number}") for number in range(60)))
    counting = asyncio.gather(*(count_events(db, events[start : start + 3]) for start in range(0, 60, 3)))
    seen = set()
    while not counting.done():
        (exact,) = await db.counts.exact([VIDEO])
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
    assert await db.counts.by_platform(VIDEO) == {
        "twitter": PlatformStatus(shares=2, last_shared_at=later),
        "email": PlatformStatus(shares=1, last_shared_at=AT),
    }
    assert await db.counts.by_platform(ARTICLE) == {}


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
    assert await db.counts.by_platform(VIDEO) == {
        "twitter": PlatformStatus(shares=2, last_shared_at=later),
        "email": PlatformStatus(shares=0, last_shared_at=AT),
    }


async def test_status_of_a_share_that_was_taken_back_before_it_was_counted(db: SqlDatabase) -> None:
    made = record()
    await emit(db, created_event(made), deleted_event(made, at=AT + timedelta(seconds=1)))
    assert await db.counts.by_platform(VIDEO) == {"twitter": PlatformStatus(shares=0, last_shared_at=AT)}


async def test_corrections_are_no_platform(db: SqlDatabase) -> None:
    await emit(db, adjusted_event(adjustment(7, channel="twitter")))
    assert await db.counts.by_platform(VIDEO) == {}
