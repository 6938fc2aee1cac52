"""Counting: each event once, however often, in whatever order and by however many its job is delivered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sharetally.adapters.caches.memory import MemoryCache
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.postgresql import PostgresqlDriver
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import TransientConflict
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.count import Count
from sharetally.flow.counting.reactions import Reaction, Reactions
from sharetally.flow.jobs import to_ref
from sharetally.flow.worker import JobResult, Outcomes
from sharetally.ports import EventRef, Total, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    SERVERS,
    VIDEO,
    created_event,
    database_url_for,
    deleted_event,
    insert_shares,
    link,
    links_by_id,
    moved_event,
    open_database,
    open_empty_database,
    record,
    records_by_key,
    write_rows,
)
from tests.flow.harness import RecordingMeter
from tests.flow.random_history import random_history

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
def count(db: SqlDatabase) -> Count:
    return counter(db)


def counter(db: SqlDatabase, cache: MemoryCache | None = None, *reactions: Reaction, logs_jobs: bool = True) -> Count:
    return Count(
        ledger=db,
        events=db.events,
        announcer=Announcer(counts=db.counts, cache=cache),
        reactions=Reactions(reactions, meter=RecordingMeter()),
        on_follow_up=lambda _: None,
        wants_results=lambda: logs_jobs,
    )


def heads(*events: Event) -> list[EventRef]:
    return [to_ref(event) for event in events]


async def results(count: Count, jobs: Sequence[EventRef]) -> Sequence[JobResult]:
    found = await count.handle(jobs)
    assert not isinstance(found, Outcomes)
    return found


def outcomes(results: Sequence[JobResult]) -> list[str]:
    return [result.outcome for result in results]


async def total(db: SqlDatabase, content: ContentRef = VIDEO) -> int:
    return (await db.counts.stored([content]))[0].shares


async def proven(db: SqlDatabase) -> bool:
    return (await db.proof.verify(None, lambda _: None)).drifted == ()


async def test_an_event_is_counted_once(db: SqlDatabase, count: Count) -> None:
    events = await insert_shares(db, record(), record(user_id="bert", platform="whatsapp"), link(channel="mail"))
    assert outcomes(await results(count, heads(*events))) == ["counted"] * 3
    assert outcomes(await results(count, heads(*events))) == ["duplicate"] * 3
    (found,) = await db.counts.stored([VIDEO])
    assert found.shares == 3
    assert found.evidence == {"declared": 2, "link": 1}
    assert found.channel == {"twitter": 1, "whatsapp": 1, "mail": 1}
    assert await proven(db)
    assert (await db.events.backlog()).pending == 0


async def test_twice_in_one_batch_is_once(db: SqlDatabase, count: Count) -> None:
    events = await insert_shares(db, record(), record(user_id="bert"))
    assert outcomes(await results(count, heads(*events, *events))) == ["counted"] * 2 + ["duplicate"] * 2
    assert await total(db) == 2


async def test_a_result_contains_the_fields_of_the_requirement(db: SqlDatabase, count: Count) -> None:
    (event,) = await insert_shares(db, record())
    (result,) = await results(count, heads(event))
    assert result == JobResult(
        job_id=str(event.id),
        job="share_created",
        outcome="counted",
        content_type="video",
        content_id="abc",
        share_count=1,
        request_id="request-1",
    )


async def test_only_the_id_of_a_job_is_trusted(db: SqlDatabase, count: Count) -> None:
    (event,) = await insert_shares(db, record())
    lie = EventRef(id=event.id, job=str(Job.SHARE_DELETED), content=ARTICLE)
    (result,) = await results(count, [lie])
    assert (result.job, result.content_type, result.share_count) == ("share_created", "video", 1)
    assert (await total(db), await total(db, ARTICLE)) == (1, 0)
    assert await proven(db)


async def test_a_delete_before_its_create(db: SqlDatabase, count: Count) -> None:
    gone = link(deleted_at=AT)
    made, unmade = created_event(gone), deleted_event(gone)
    await write_rows(db, Writes(new_links=links_by_id(gone), events=[made, unmade]))
    (early,) = await results(count, heads(unmade))
    assert (early.outcome, early.share_count) == ("counted", 0), "never shown below zero"
    assert await proven(db)
    await count.handle(heads(made))
    assert await total(db) == 0
    assert await proven(db)


async def test_another_owners_events_are_left_alone(db: SqlDatabase, count: Count) -> None:
    post = created_event(record(), job=Job.SHARE_POST, delta=0, cell_delta=0, to=None, payload="twitter")
    await write_rows(db, Writes(events=[post]))
    assert outcomes(await results(count, heads(post))) == ["duplicate"]
    assert (await db.events.backlog()).pending == 1


async def test_a_parked_event_is_not_counted(db: SqlDatabase, count: Count) -> None:
    (event,) = await insert_shares(db, record())
    await count.park(to_ref(event), "looks odd")
    assert outcomes(await results(count, heads(event))) == ["duplicate"]
    assert await total(db) == 0
    (parked,) = await db.events.parked(limit=10)
    assert (parked.event, parked.reason) == (event, "looks odd")
    assert await proven(db)


async def test_a_reshare_changes_only_the_last_shared_time(db: SqlDatabase, count: Count) -> None:
    stands = record()
    events = await insert_shares(db, stands)
    again = created_event(stands, job=Job.SHARE_UPDATED, delta=0, cell_delta=0, at=AT + timedelta(hours=1))
    await write_rows(db, Writes(events=[again]))
    await count.handle(heads(again, *events))
    status = (await db.counts.by_platform(VIDEO))["twitter"]
    assert (status.shares, status.last_shared_at) == (1, AT + timedelta(hours=1))
    assert await total(db) == 1
    assert await proven(db)


async def test_an_event_that_is_already_burned_is_announced_again(db: SqlDatabase) -> None:
    """The worker that counted it died before it announced the count."""
    (event,) = await insert_shares(db, record())
    await counter(db).handle(heads(event))
    cache = MemoryCache()
    await cache.open()
    await counter(db, cache).handle(heads(event))
    assert await cache.get([VIDEO]) == await db.counts.stored([VIDEO])
    await cache.close()


class NoReaction:
    """Looks at every event, and lets nothing follow."""

    name = "nothing"
    jobs: tuple[str, ...] = ()

    def react(self, counted: Sequence[Event], totals: Mapping[ContentRef, Total]) -> Sequence[Event]:
        return []


async def test_every_way_of_counting_gives_the_same_results(db: SqlDatabase) -> None:
    """In one statement where the database can, or event by event for a reaction: the lines in the log are the same."""
    found = []
    for reactions in [(), (NoReaction(),)]:
        count = counter(db, None, *reactions)
        video, article = (ContentRef(type="video", id=new_id().hex) for _ in range(2))
        first, second = await insert_shares(db, link(content=video), link(content=article))
        reshared = created_event(record(), job=Job.SHARE_UPDATED, delta=0, cell_delta=0, content=article)
        await write_rows(db, Writes(events=[reshared]))
        told = await results(count, heads(first, second))
        told = [*told, *await results(count, heads(reshared, second, first))]
        names = {str(event.id): name for name, event in (("1", first), ("2", second), ("r", reshared))}
        contents = {video.id: "video", article.id: "article"}
        found.append([replace(x, job_id=names[x.job_id], content_id=contents[x.content_id]) for x in told])
    assert found[0] == found[1]
    assert [(x.job_id, x.outcome, x.share_count) for x in found[0]] == [
        ("1", "counted", 1),
        ("2", "counted", 1),
        ("r", "counted", 1),
        ("2", "duplicate", 1),
        ("1", "duplicate", None),
    ]


async def test_postgresql_counts_in_one_statement_though_each_job_is_logged(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    fetch, execute = PostgresqlDriver.fetch, PostgresqlDriver.execute

    async def recorded_fetch(driver: PostgresqlDriver, sql: str, arguments: Sequence[object]) -> list[Any]:
        statements.append(sql)
        return await fetch(driver, sql, arguments)

    async def recorded_execute(driver: PostgresqlDriver, sql: str, arguments: Sequence[object] = ()) -> int:
        statements.append(sql)
        return await execute(driver, sql, arguments)

    async with open_empty_database(postgresql_url) as db:
        events = await insert_shares(db, record(), link(content=ARTICLE))
        count = counter(db, logs_jobs=True)
        monkeypatch.setattr(PostgresqlDriver, "fetch", recorded_fetch)
        monkeypatch.setattr(PostgresqlDriver, "execute", recorded_execute)
        assert outcomes(await results(count, heads(*events))) == ["counted", "counted"]
    assert [sql.split()[0] for sql in statements] == ["BEGIN;", "WITH", "COMMIT"]


async def test_without_a_listener_numbers_are_enough(db: SqlDatabase) -> None:
    """Nobody reads a log line for each job: the database counts by itself and returns how many."""
    cache = MemoryCache()
    await cache.open()
    quiet = counter(db, cache, logs_jobs=False)
    events = await insert_shares(db, record(), record(user_id="bert"), link(content=ARTICLE))
    withdrawn = deleted_event(record(id=events[1].share_id, user_id="bert"))
    gone = deleted_event(record(user_id="cora"))
    await write_rows(db, Writes(events=[withdrawn]))
    told = await quiet.handle(heads(*events, withdrawn, gone, events[0]))
    assert told == Outcomes(
        counts={
            ("share_created", "counted"): 3,
            ("share_created", "duplicate"): 1,
            ("share_deleted", "counted"): 1,
            ("share_deleted", "duplicate"): 1,
        }
    )
    assert [found.shares for found in await db.counts.stored([VIDEO, ARTICLE])] == [1, 1]
    assert await cache.get([VIDEO, ARTICLE]) == await db.counts.stored([VIDEO, ARTICLE])
    await cache.close()


# every message five times, shuffled


async def deliver(count: Count, batches: Sequence[Sequence[Event]]) -> None:
    for batch in batches:
        while True:
            try:
                await count.handle(heads(*batch))
                break
            except TransientConflict:
                continue


@pytest.mark.parametrize("seed", [1, 2])
async def test_five_times_each_and_shuffled(db: SqlDatabase, url: str, seed: int) -> None:
    rng = random.Random(seed)
    writes, channels = random_history(rng)
    await write_rows(db, writes)
    deliveries = writes.events * 5
    rng.shuffle(deliveries)
    batches = [deliveries[start : start + 37] for start in range(0, len(deliveries), 37)]
    if url.startswith("sqlite"):
        await deliver(counter(db), batches)
    else:
        async with open_database(url) as other:
            parts = (batches[0::3], batches[1::3], batches[2::3])
            counters = (counter(db), counter(other), counter(other))
            await asyncio.gather(*(deliver(who, part) for who, part in zip(counters, parts, strict=True)))
    (found,) = await db.counts.stored([VIDEO])
    assert found.channel == {name: shares for name, shares in channels.items() if shares > 0}
    assert found.shares == sum(channels.values())
    assert found.evidence["declared"] == channels["twitter"]
    assert (await db.events.backlog()).pending == 0
    assert await proven(db)


@pytest.mark.parametrize("url", SERVERS, indirect=True)
async def test_two_counters_with_the_same_jobs_at_once(db: SqlDatabase, url: str) -> None:
    """A move, here from declared to posted, is one event: in any order of counting, the total stays."""
    posted = record(evidence=Evidence.POSTED)
    made = created_event(posted._replace(evidence=Evidence.DECLARED))
    assert made.to is not None
    confirmed = moved_event(posted, made.to, platform="twitter")
    await write_rows(db, Writes(new_records=records_by_key(posted), events=[made, confirmed]))
    async with open_database(url) as other:
        jobs = heads(confirmed, made)
        found_by = await asyncio.gather(*(results(counter(each), jobs) for each in (db, other, db)))
    assert sorted(outcomes([one for some in found_by for one in some])) == ["counted"] * 2 + ["duplicate"] * 4
    (found,) = await db.counts.stored([VIDEO])
    assert (found.shares, found.evidence) == (1, {"posted": 1})
    assert await proven(db)
