"""Counting in one go is the same as taking, burning, folding and moving by hand, whatever a day brings."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.activity import count_by_minute
from sharetally.domain.content import ContentRef
from sharetally.domain.event import COUNTED, Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence
from sharetally.flow.share_commands import record_cell
from sharetally.ports import CountedBatch, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    VIDEO,
    count_events,
    created_event,
    database_url_for,
    execute_sql,
    insert_shares,
    link,
    moved_event,
    open_empty_database,
    record,
    retry_transient,
    write_rows,
)
from tests.flow.random_history import random_history

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def take(db: SqlDatabase, *events: Event) -> list[Event]:
    async with db.transaction() as tx:
        return await tx.take([event.id for event in events])


async def count_at_once(db: SqlDatabase, events: Sequence[Event]) -> CountedBatch:
    async def once() -> CountedBatch:
        async with db.transaction() as tx:
            return await tx.count([event.id for event in events], COUNTED)

    return await retry_transient(once)


async def read_everything(db: SqlDatabase) -> list[list[tuple[object, ...]]]:
    """All that counting writes, but for the clock."""
    queries = (
        "SELECT content_type, content_id, shares FROM share_totals ORDER BY 1, 2",
        "SELECT content_type, content_id, dimension, value, shares, last_at FROM share_counts ORDER BY 1, 2, 3, 4",
        "SELECT content_type, content_id, channel, evidence, bucket, made, withdrawn FROM share_rollups "
        "ORDER BY 1, 2, 3, 4, 5",
        "SELECT job, content_id FROM events ORDER BY id",
    )
    return [[tuple(row.values()) for row in await execute_sql(db, query)] for query in queries]


def random_day(rng: random.Random) -> list[Event]:
    """Events of every kind, on several content items and over some hours; some change nothing."""
    contents = [VIDEO, ARTICLE, *(ContentRef(type="video", id=f"v{number}") for number in range(5))]
    events = random_history(rng)[0].events
    for number in range(40):
        shared = record(user_id=f"again {number}")
        events.append(created_event(shared, job=Job.SHARE_UPDATED, delta=0, cell_delta=0))
        posted = shared._replace(evidence=Evidence.POSTED)
        events.append(moved_event(posted, record_cell(shared), platform=shared.platform))
        events.append(created_event(link(), to=None))
    events.append(Event(id=new_id(), job=Job.SHARE_POST, content=VIDEO, at=AT, payload="twitter"))
    hours = (timedelta(minutes=rng.randrange(300)) for _ in events)
    return [
        event._replace(content=rng.choice(contents), at=AT + ahead) for event, ahead in zip(events, hours, strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_counting_in_one_statement_equals_counting_step_by_step(db: SqlDatabase, seed: int) -> None:
    """The same day, taken, burned, folded and moved by hand, and counted by the database itself."""
    rng = random.Random(seed)
    events = random_day(rng)
    parts = [events[start : start + 41] for start in range(0, len(events), 41)]
    await write_rows(db, Writes(events=events))
    for part in parts:
        await count_events(db, [event for event in part if event.job in COUNTED])
    by_hand = await read_everything(db)
    await execute_sql(db, "DELETE FROM events")
    for table in ("share_totals", "share_counts", "share_rollups"):
        await execute_sql(db, f"DELETE FROM {table}")
    await write_rows(db, Writes(events=events))
    told = [await count_at_once(db, part) for part in parts]
    assert await read_everything(db) == by_hand
    wanted = [Counter(str(event.job) for event in part if event.job in COUNTED) for part in parts]
    assert [dict(each.event_counts) for each in told] == wanted
    assert [each.content_items for each in told] == [
        {event.content for event in part if event.job in COUNTED} for part in parts
    ]
    assert [sorted(each.minute_counts) for each in told] == [
        list(count_by_minute(event for event in part if event.job in COUNTED)) for part in parts
    ]
    assert any(each.minute_counts for each in told)
    numbers = [
        number for each in told for number in (*each.event_counts.values(), *(row.shares for row in each.minute_counts))
    ]
    assert {type(number) for number in numbers} == {int}  # what metrics and other processes can read


async def test_counting_in_one_statement_skips_parked_missing_and_foreign_events(db: SqlDatabase) -> None:
    kept, parked, gone = (created_event(record(user_id=name)) for name in ("anna", "bert", "cora"))
    post = created_event(record(), job=Job.SHARE_POST, delta=0, cell_delta=0, to=None)
    await write_rows(db, Writes(events=[kept, parked, post]))
    await db.events.park(parked.id, "poison")
    assert (await count_at_once(db, [gone, kept, parked, post, kept])).event_counts == {"share_created": 1}
    assert await count_at_once(db, [kept, gone]) == CountedBatch()
    assert await count_at_once(db, []) == CountedBatch()
    assert (await db.counts.stored([VIDEO]))[0].shares == 1
    assert await take(db, kept, post) == [post]


async def test_at_once_raises_the_version(db: SqlDatabase) -> None:
    await count_at_once(db, await insert_shares(db, link()))
    ahead = 4_000_000_000_000_000
    await execute_sql(db, "UPDATE share_totals SET version = :ahead", ahead=ahead)
    await count_at_once(db, await insert_shares(db, link()))
    assert (await db.counts.stored([VIDEO]))[0].version == ahead + 1


async def test_many_at_once_count_each_event_once(db: SqlDatabase) -> None:
    contents = [VIDEO, ARTICLE, ContentRef(type="video", id="third")]
    events = await insert_shares(db, *(record(content=each, user_id=f"u{n}") for each in contents for n in range(100)))
    parts = [events[start : start + 60] for start in range(0, len(events), 40)]
    await asyncio.gather(*(count_at_once(db, part) for part in (*parts, *reversed(parts))))
    assert [found.shares for found in await db.counts.stored(contents)] == [100, 100, 100]
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()
    assert (await db.events.backlog()).pending == 0
