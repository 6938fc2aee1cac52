"""Counting: each event once, however often, in whatever order and by however many its job is delivered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.adapters.caches.memory import MemoryCache
from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import RunAgain
from sharetally.domain.event import Event, Job
from sharetally.domain.share import Evidence
from sharetally.flow.announce import Announcer
from sharetally.flow.consumers.count import Count
from sharetally.flow.jobs import head_of
from sharetally.flow.worker import JobResult, Outcomes
from sharetally.ports import EventHead, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    SERVERS,
    VIDEO,
    created,
    deleted,
    emptied,
    link,
    moved,
    of_links,
    of_records,
    opened,
    record,
    share,
    shared_url,
    write,
)
from tests.flow.history import history

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


@pytest.fixture
def count(db: SqlDatabase) -> Count:
    return counter(db)


def counter(db: SqlDatabase, cache: MemoryCache | None = None) -> Count:
    announcer = Announcer(reading=db, cache=cache)
    return Count(ledger=db, outbox=db, announcer=announcer, feed=None)


def heads(*events: Event) -> list[EventHead]:
    return [head_of(event) for event in events]


async def results(count: Count, jobs: Sequence[EventHead]) -> Sequence[JobResult]:
    found = await count.handle(jobs)
    assert not isinstance(found, Outcomes)
    return found


def outcomes(results: Sequence[JobResult]) -> list[str]:
    return [result.outcome for result in results]


async def total(db: SqlDatabase, content: ContentRef = VIDEO) -> int:
    return (await db.counts([content]))[0].shares


async def proven(db: SqlDatabase) -> bool:
    return (await db.verify(None, lambda _: None)).drifted == ()


async def test_an_event_is_counted_once(db: SqlDatabase, count: Count) -> None:
    events = await share(db, record(), record(user_id="bert", platform="whatsapp"), link(channel="mail"))
    assert outcomes(await results(count, heads(*events))) == ["counted"] * 3
    assert outcomes(await results(count, heads(*events))) == ["duplicate"] * 3
    (found,) = await db.counts([VIDEO])
    assert found.shares == 3
    assert found.evidence == {"declared": 2, "link": 1}
    assert found.channel == {"twitter": 1, "whatsapp": 1, "mail": 1}
    assert await proven(db)
    assert (await db.backlog()).pending == 0


async def test_twice_in_one_batch_is_once(db: SqlDatabase, count: Count) -> None:
    events = await share(db, record(), record(user_id="bert"))
    assert outcomes(await results(count, heads(*events, *events))) == ["counted"] * 2 + ["duplicate"] * 2
    assert await total(db) == 2


async def test_what_a_result_tells(db: SqlDatabase, count: Count) -> None:
    (event,) = await share(db, record())
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


async def test_what_a_job_says_beside_its_id_is_not_believed(db: SqlDatabase, count: Count) -> None:
    (event,) = await share(db, record())
    lie = EventHead(id=event.id, job=str(Job.SHARE_DELETED), content=ARTICLE)
    (result,) = await results(count, [lie])
    assert (result.job, result.content_type, result.share_count) == ("share_created", "video", 1)
    assert (await total(db), await total(db, ARTICLE)) == (1, 0)
    assert await proven(db)


async def test_a_delete_before_its_create(db: SqlDatabase, count: Count) -> None:
    gone = link(deleted_at=AT)
    made, unmade = created(gone), deleted(gone)
    await write(db, Writes(new_links=of_links(gone), events=[made, unmade]))
    (early,) = await results(count, heads(unmade))
    assert (early.outcome, early.share_count) == ("counted", 0), "never shown below zero"
    assert await proven(db)
    await count.handle(heads(made))
    assert await total(db) == 0
    assert await proven(db)


async def test_another_owners_events_are_left_alone(db: SqlDatabase, count: Count) -> None:
    post = created(record(), job=Job.SHARE_POST, delta=0, moved=0, to=None, payload="twitter")
    await write(db, Writes(events=[post]))
    assert outcomes(await results(count, heads(post))) == ["duplicate"]
    assert (await db.backlog()).pending == 1


async def test_what_is_parked_is_not_counted(db: SqlDatabase, count: Count) -> None:
    (event,) = await share(db, record())
    await count.set_aside(head_of(event), "looks odd")
    assert outcomes(await results(count, heads(event))) == ["duplicate"]
    assert await total(db) == 0
    (parked,) = await db.parked(limit=10)
    assert (parked.event, parked.reason) == (event, "looks odd")
    assert await proven(db)


async def test_sharing_again_moves_the_time_alone(db: SqlDatabase, count: Count) -> None:
    stands = record()
    events = await share(db, stands)
    again = created(stands, job=Job.SHARE_UPDATED, delta=0, moved=0, at=AT + timedelta(hours=1))
    await write(db, Writes(events=[again]))
    await count.handle(heads(again, *events))
    status = (await db.platform_status(VIDEO))["twitter"]
    assert (status.shares, status.last_shared_at) == (1, AT + timedelta(hours=1))
    assert await total(db) == 1
    assert await proven(db)


async def test_what_was_burned_before_is_announced_again(db: SqlDatabase) -> None:
    """The worker that counted it died before it told anybody."""
    (event,) = await share(db, record())
    await counter(db).handle(heads(event))
    cache = MemoryCache()
    await cache.open()
    await counter(db, cache).handle(heads(event))
    assert await cache.get([VIDEO]) == await db.counts([VIDEO])
    await cache.close()


async def test_without_a_listener_numbers_are_enough(db: SqlDatabase) -> None:
    """Nobody reads a line about each job: the database counts by itself, and tells how many."""
    cache = MemoryCache()
    await cache.open()
    announcer = Announcer(reading=db, cache=cache)
    quiet = Count(ledger=db, outbox=db, announcer=announcer, feed=None, told=lambda: False)
    events = await share(db, record(), record(user_id="bert"), link(content=ARTICLE))
    withdrawn = deleted(record(id=events[1].share_id, user_id="bert"))
    gone = deleted(record(user_id="cora"))
    await write(db, Writes(events=[withdrawn]))
    told = await quiet.handle(heads(*events, withdrawn, gone, events[0]))
    assert told == Outcomes(
        numbers={
            ("share_created", "counted"): 3,
            ("share_created", "duplicate"): 1,
            ("share_deleted", "counted"): 1,
            ("share_deleted", "duplicate"): 1,
        }
    )
    assert [found.shares for found in await db.counts([VIDEO, ARTICLE])] == [1, 1]
    assert await cache.get([VIDEO, ARTICLE]) == await db.counts([VIDEO, ARTICLE])
    await cache.close()


# every message five times, shuffled


async def deliver(count: Count, batches: Sequence[Sequence[Event]]) -> None:
    for batch in batches:
        while True:
            try:
                await count.handle(heads(*batch))
                break
            except RunAgain:
                continue


@pytest.mark.parametrize("seed", [1, 2])
async def test_five_times_each_and_shuffled(db: SqlDatabase, url: str, seed: int) -> None:
    dice = random.Random(seed)
    writes, channels = history(dice)
    await write(db, writes)
    deliveries = writes.events * 5
    dice.shuffle(deliveries)
    batches = [deliveries[start : start + 37] for start in range(0, len(deliveries), 37)]
    if url.startswith("sqlite"):
        await deliver(counter(db), batches)
    else:
        async with opened(url) as other:
            parts = (batches[0::3], batches[1::3], batches[2::3])
            counters = (counter(db), counter(other), counter(other))
            await asyncio.gather(*(deliver(who, part) for who, part in zip(counters, parts, strict=True)))
    (found,) = await db.counts([VIDEO])
    assert found.channel == {name: shares for name, shares in channels.items() if shares > 0}
    assert found.shares == sum(channels.values())
    assert found.evidence["declared"] == channels["twitter"]
    assert (await db.backlog()).pending == 0
    assert await proven(db)


@pytest.mark.parametrize("url", SERVERS, indirect=True)
async def test_two_counters_with_the_same_jobs_at_once(db: SqlDatabase, url: str) -> None:
    """A move, here from declared to posted, is one event: whoever comes first, the total stays."""
    posted = record(evidence=Evidence.POSTED)
    made = created(posted._replace(evidence=Evidence.DECLARED))
    assert made.to is not None
    confirmed = moved(posted, made.to, platform="twitter")
    await write(db, Writes(new_records=of_records(posted), events=[made, confirmed]))
    async with opened(url) as other:
        jobs = heads(confirmed, made)
        found_by = await asyncio.gather(*(results(counter(each), jobs) for each in (db, other, db)))
    assert sorted(outcomes([one for some in found_by for one in some])) == ["counted"] * 2 + ["duplicate"] * 4
    (found,) = await db.counts([VIDEO])
    assert (found.shares, found.evidence) == (1, {"posted": 1})
    assert await proven(db)
