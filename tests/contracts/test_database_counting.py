"""The counting half of a transaction: take, burn, move, emit. An event counts once, however often it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.count import fold, start_of_quarter_hour
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_id
from sharetally.ports import Writes
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
    execute_sql,
    insert_shares,
    link,
    moved_event,
    open_empty_database,
    record,
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


async def emit(db: SqlDatabase, *events: Event) -> list[Event]:
    await write_rows(db, Writes(events=list(events)))
    return list(events)


async def take(db: SqlDatabase, *events: Event) -> list[Event]:
    async with db.transaction() as tx:
        return await tx.take([event.id for event in events])


async def cells(db: SqlDatabase, content: ContentRef = VIDEO) -> dict[str, int]:
    found = await execute_sql(
        db,
        "SELECT dimension, value, shares FROM share_counts WHERE content_type = :type AND content_id = :id",
        type=content.type,
        id=content.id,
    )
    return {f"{row['dimension']}:{row['value']}": int(str(row["shares"])) for row in found}


async def rollups(db: SqlDatabase) -> list[tuple[object, ...]]:
    found = await execute_sql(
        db, "SELECT channel, evidence, made, withdrawn FROM share_rollups ORDER BY channel, evidence, bucket"
    )
    return [tuple(row.values()) for row in found]


# take


async def test_events_are_taken_in_the_order_of_their_ids(db: SqlDatabase) -> None:
    events = await emit(db, *(created_event(record()) for _ in range(20)))
    assert await take(db, *reversed(events)) == sorted(events, key=lambda event: event.id)


async def test_only_existing_events_are_taken(db: SqlDatabase) -> None:
    here, gone = created_event(record()), created_event(record())
    await emit(db, here)
    assert await take(db, here, gone, here) == [here]


async def test_taking_no_events_returns_nothing(db: SqlDatabase) -> None:
    assert await take(db) == []


async def test_parked_events_are_not_taken(db: SqlDatabase) -> None:
    kept, parked = await emit(db, created_event(record()), created_event(record()))
    await db.events.park(parked.id, "poison")
    assert await take(db, kept, parked) == [kept]
    await db.events.unpark([parked.id])
    assert {event.id for event in await take(db, kept, parked)} == {kept.id, parked.id}


async def test_more_are_taken_than_one_statement_names(db: SqlDatabase) -> None:
    events = await emit(db, *(created_event(record()) for _ in range(1_203)))
    assert len(await take(db, *events)) == 1_203
    totals = await count_events(db, events)
    assert totals[VIDEO].shares == 1_203
    assert await take(db, *events) == []


async def test_two_that_take_the_same_events_count_them_once(db: SqlDatabase) -> None:
    events = await emit(db, *(created_event(record()) for _ in range(50)))
    await asyncio.gather(*(count_events(db, events[::step]) for step in (1, -1, 2, 1, -1)))
    assert (await db.counts.stored([VIDEO]))[0].shares == 50
    assert (await db.events.backlog()).pending == 0


# burn


async def test_a_burned_event_is_gone_and_burning_twice_changes_nothing(db: SqlDatabase) -> None:
    events = await insert_shares(db, record())
    assert (await count_events(db, events))[VIDEO].shares == 1
    before = await db.counts.stored([VIDEO])
    assert await count_events(db, events) == {}
    async with db.transaction() as tx:
        await tx.burn([event.id for event in events])
        await tx.burn([])
    assert await db.counts.stored([VIDEO]) == before


async def test_a_rolled_back_burn_keeps_the_event(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())

    async def fails() -> None:
        async with db.transaction() as tx:
            await tx.burn([event.id])
            await tx.move(fold([event]))
            raise LookupError

    with pytest.raises(LookupError):
        await fails()
    assert (await db.counts.stored([VIDEO]))[0].shares == 0
    assert await take(db, event) == [event]


# move


async def test_a_recorded_share_moves_each_of_its_cells(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, record()))
    assert await cells(db) == {"evidence:declared": 1, "channel:twitter": 1, "campaign:": 1, "platform:twitter": 1}
    assert await rollups(db) == [("twitter", "declared", 1, 0)]


async def test_a_share_by_link_moves_no_platform(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, link(channel="x", campaign="summer")))
    assert await cells(db) == {"evidence:link": 1, "channel:x": 1, "campaign:summer": 1}


async def test_a_withdrawal_reverses_exactly_its_share(db: SqlDatabase) -> None:
    stays, goes = record(), record(user_id="berta")
    await count_events(db, await insert_shares(db, stays, goes))
    totals = await count_events(db, await emit(db, deleted_event(goes)))
    assert totals[VIDEO].shares == 1
    assert await cells(db) == {"evidence:declared": 1, "channel:twitter": 1, "campaign:": 1, "platform:twitter": 1}
    assert await rollups(db) == [("twitter", "declared", 2, 1)]


async def test_a_withdrawal_counted_before_its_share_ends_at_zero(db: SqlDatabase) -> None:
    made = record()
    (event,) = await insert_shares(db, made)
    totals = await count_events(db, await emit(db, deleted_event(made)))
    assert totals[VIDEO].shares == -1
    assert (await db.counts.stored([VIDEO]))[0].shares == 0
    assert (await count_events(db, [event]))[VIDEO].shares == 0
    assert set((await cells(db)).values()) == {0}


async def test_a_move_leaves_the_total_and_raises_the_version(db: SqlDatabase) -> None:
    before = link(channel="x")
    first = (await count_events(db, await insert_shares(db, before)))[VIDEO]
    after = replace(before, channel="y", campaign="summer")
    second = (await count_events(db, await emit(db, moved_event(after, before.cell))))[VIDEO]
    assert (first.shares, second.shares) == (1, 1)
    assert second.version > first.version
    found = await cells(db)
    assert {name: shares for name, shares in found.items() if shares} == {
        "evidence:link": 1,
        "channel:y": 1,
        "campaign:summer": 1,
    }
    assert await rollups(db) == [("x", "link", 0, 0), ("y", "link", 1, 0)]


async def test_adjustments_move_by_their_amount(db: SqlDatabase) -> None:
    lines = [adjusted_event(adjustment(1_000_000)), adjusted_event(adjustment(-999_000))]
    totals = await count_events(db, await emit(db, *lines))
    assert totals[VIDEO].shares == 1_000
    assert await rollups(db) == [("", "adjusted", 1_000_000, 999_000)]


async def test_counts_are_wider_than_32_bits(db: SqlDatabase) -> None:
    big = 2**40
    totals = await count_events(db, await emit(db, created_event(record(), delta=big, cell_delta=big)))
    assert totals[VIDEO].shares == big
    assert (await db.counts.stored([VIDEO]))[0].evidence == {"declared": big}


async def test_each_quarter_hour_has_its_own_bucket(db: SqlDatabase) -> None:
    quarter = timedelta(minutes=15)
    times = [
        start_of_quarter_hour(AT),
        start_of_quarter_hour(AT) + quarter - timedelta(microseconds=1),
        start_of_quarter_hour(AT) + quarter,
    ]
    await count_events(db, await emit(db, *(created_event(record(), at=at) for at in times)))
    assert await rollups(db) == [("twitter", "declared", 2, 0), ("twitter", "declared", 1, 0)]


async def test_versions_only_rise(db: SqlDatabase) -> None:
    versions = [(await count_events(db, await insert_shares(db, link())))[VIDEO].version for _ in range(30)]
    assert versions == sorted(set(versions))


async def test_a_version_is_microseconds_of_the_database(db: SqlDatabase) -> None:
    before = await db.events.now()
    total = (await count_events(db, await insert_shares(db, link())))[VIDEO]
    after = await db.events.now()
    slack = timedelta(milliseconds=2)  # SQLite's clock has milliseconds
    assert before - slack <= total.changed_at <= after + slack
    assert abs(total.version - total.changed_at.timestamp() * 1_000_000) < 2_000


async def test_a_version_ahead_of_the_clock_still_rises(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, link()))
    ahead = 4_000_000_000_000_000
    await execute_sql(db, "UPDATE share_totals SET version = :ahead", ahead=ahead)
    assert (await count_events(db, await insert_shares(db, link())))[VIDEO].version == ahead + 1


async def test_the_time_of_the_last_share_never_goes_back(db: SqlDatabase) -> None:
    made = record()
    later, earlier = AT + timedelta(hours=1), AT - timedelta(hours=1)
    again = created_event(made, job=Job.SHARE_UPDATED, delta=0, cell_delta=0)
    for at in (AT, later, earlier):
        await count_events(db, await emit(db, again._replace(id=new_id(), at=at)))
    assert (await db.counts.by_platform(VIDEO))["twitter"].last_shared_at == later


async def test_a_withdrawal_does_not_change_the_time_of_the_last_share(db: SqlDatabase) -> None:
    made = record()
    await count_events(db, await insert_shares(db, made))
    await count_events(db, await emit(db, deleted_event(made, at=AT + timedelta(hours=1))))
    status = (await db.counts.by_platform(VIDEO))["twitter"]
    assert (status.shares, status.last_shared_at) == (0, AT)


async def test_many_contents_move_in_one_go(db: SqlDatabase) -> None:
    contents = [ContentRef(type="video", id=f"v{number}") for number in range(600)]
    totals = await count_events(db, await insert_shares(db, *(link(content=each) for each in reversed(contents))))
    assert {content: total.shares for content, total in totals.items()} == dict.fromkeys(contents, 1)


async def test_many_counters_at_once_lose_nothing(db: SqlDatabase) -> None:
    contents = [VIDEO, ARTICLE, ContentRef(type="video", id="third")]
    batches = [
        await insert_shares(db, *(record(content=each, user_id=f"u{n}") for each in contents)) for n in range(30)
    ]
    await asyncio.gather(*(count_events(db, batch) for batch in batches))
    assert [found.shares for found in await db.counts.stored(contents)] == [30, 30, 30]
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()


async def test_moving_nothing_changes_nothing(db: SqlDatabase) -> None:
    async with db.transaction() as tx:
        assert await tx.move({}) == {}


# what follows


async def test_follow_up_events_are_written_with_the_burn(db: SqlDatabase) -> None:
    (event,) = await insert_shares(db, record())
    told = Event(id=new_id(), job=Job.SHARE_FEED, content=VIDEO, at=AT, payload='{"shareCount": 1}')
    async with db.transaction() as tx:
        taken = await tx.take([event.id])
        await tx.burn([event.id])
        await tx.move(fold(taken))
        await tx.emit([told])
    assert await take(db, event, told) == [told]


async def test_an_event_that_moves_nothing_counts_nothing(db: SqlDatabase) -> None:
    post = Event(id=new_id(), job=Job.SHARE_POST, content=VIDEO, at=AT, payload="twitter")
    await count_events(db, await emit(db, post))
    assert await cells(db) == {}
    assert (await db.counts.stored([VIDEO]))[0].version == 0


async def test_an_empty_cell_has_no_label(db: SqlDatabase) -> None:
    bare = Cell(evidence="link", channel="", campaign="")
    await count_events(db, await emit(db, created_event(link(), to=bare)))
    (found,) = await db.counts.stored([VIDEO])
    assert (found.channel, found.campaign) == ({"none": 1}, {"none": 1})
