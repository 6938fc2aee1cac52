"""The relay: sends again what has provably passed, nothing else, and each of several its own part."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.event import Job
from sharetally.flow.relay import AT_ONCE
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    created,
    emptied,
    opened,
    record,
    share,
    shared_url,
)
from tests.flow.line import Line, ids, relay
from tests.flow.stage import WITHIN, Ahead, long_ago

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


@pytest.fixture
def line() -> Line:
    return Line()


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)


async def test_in_good_weather_it_finds_nothing(db: SqlDatabase, line: Line) -> None:
    await share(db, record())
    await db.mark("count", await db.now() + timedelta(hours=1))
    assert await relay(db, line).look() == 0
    assert line.sent == []


async def test_what_is_old_calls_for_marks_with_the_databases_time(db: SqlDatabase, line: Line) -> None:
    await share(db, record())
    await long_ago(db, 31)
    before = await db.now()
    assert await relay(db, line).look() == 0
    after = await db.now()
    assert line.marks() == ["mark.count", "mark.post"]
    for message in line.sent:
        assert before <= msgspec.convert(msgspec.json.decode(message.body)["mark"], type(before)) <= after


async def test_what_has_passed_by_its_queues_mark_is_sent_again(db: SqlDatabase, line: Line) -> None:
    events = await share(db, record(), record(user_id="bert"))
    await long_ago(db, 31)
    await db.mark("count", await db.now() - timedelta(seconds=20))  # sent 31 s ago, and 10 s are a margin
    assert await relay(db, line).look() == 2
    assert line.jobs() == ids(events)
    assert await relay(db, line).look() == 0, "it was sent just now"
    await db.park(events[0].id, "how often was it sent?")
    parked = await db.parked_event(events[0].id)
    assert parked is not None
    assert parked.attempts == 1


async def test_without_proof_nothing_is_sent_again(db: SqlDatabase, line: Line) -> None:
    await share(db, record())
    await long_ago(db, 31)
    now = await db.now()
    await db.mark("count", now - timedelta(seconds=22))  # 9 s after it was sent: it may be on its way
    await db.mark("post", now)  # another queue's mark is no proof
    assert await relay(db, line).look() == 0
    assert line.jobs() == []


async def test_a_mark_from_before_the_clock_was_set_back_is_no_proof(db: SqlDatabase, line: Line) -> None:
    """A database that failed over to a host whose clock is an hour behind: everything was sent before such a mark."""
    events = await share(db, *(record(user_id=f"user-{number}") for number in range(AT_ONCE + 1)))
    await long_ago(db)
    await db.mark("count", await db.now() + timedelta(hours=1))
    async with asyncio.timeout(WITHIN):
        assert await relay(db, line).look() == 0
    await db.mark("count", await db.now())  # the next one that comes through
    assert await relay(db, line).look() == len(events)
    assert line.jobs() == ids(events)


async def test_what_is_parked_is_not_sent(db: SqlDatabase, line: Line) -> None:
    events = await share(db, record(), record(user_id="bert"))
    await long_ago(db)
    await db.mark("count", await db.now())
    await db.park(events[0].id, "poison")
    assert await relay(db, line).look() == 1
    assert line.jobs() == ids(events[1:])


async def test_each_queue_has_its_own_proof(db: SqlDatabase, line: Line) -> None:
    await share(db, record())
    post = created(record(), job=Job.SHARE_POST, delta=0, moved=0, to=None, payload="twitter")
    async with db.transaction() as tx:
        await tx.emit([post])
    await long_ago(db)
    await db.mark("post", await db.now())
    assert await relay(db, line).look() == 1
    assert line.jobs() == [str(post.id)]


@on_servers
async def test_several_relays_claim_each_its_own(db: SqlDatabase, url: str) -> None:
    events = await share(db, *(record(user_id=f"user-{number}") for number in range(12_000)))
    await long_ago(db)
    await db.mark("count", await db.now())
    lines = [Line(), Line(), Line()]
    async with opened(url) as second, opened(url) as third:
        relays = [relay(each, line) for each, line in zip((db, second, third), lines, strict=True)]
        await asyncio.gather(*(each.look() for each in relays))
        await relays[0].look()  # one may have passed over what another was just looking at
    sent = Counter(job for line in lines for job in line.jobs())
    assert sent == Counter(ids(events))


# a queue that gives no mark


@on_sqlite
@pytest.mark.parametrize(("consumers", "sent"), [(0, 0), (1, 1)])
async def test_ten_silent_minutes_are_proof_where_somebody_consumes(db: SqlDatabase, consumers: int, sent: int) -> None:
    await share(db, record())
    later, line = Ahead(db), Line(consumers=consumers)
    looking = relay(later, line)
    later.by = timedelta(minutes=1)
    assert await looking.look() == 0
    later.by = timedelta(minutes=10, seconds=59)
    assert await looking.look() == 0
    later.by = timedelta(minutes=11, seconds=1)
    assert await looking.look() == sent


@on_sqlite
async def test_silence_is_counted_from_the_last_mark(db: SqlDatabase) -> None:
    await share(db, record())
    later, line = Ahead(db), Line(consumers=1)
    looking = relay(later, line)
    later.by = timedelta(minutes=1)
    await looking.look()
    await db.mark("count", await db.now())  # proves nothing of what was sent just before it
    await long_ago(db, 5)
    later.by = timedelta(minutes=9, seconds=59)
    assert await looking.look() == 0
    later.by = timedelta(minutes=11)
    assert await looking.look() == 1


@on_sqlite
async def test_a_broker_that_was_away_was_not_silent(db: SqlDatabase) -> None:
    await share(db, record())
    later, line = Ahead(db), Line(consumers=1)
    looking = relay(later, line)
    later.by = timedelta(minutes=1)
    await looking.look()
    line.connected = False
    later.by = timedelta(minutes=10)
    assert await looking.look() == 0
    line.connected = True
    later.by = timedelta(minutes=19)
    assert await looking.look() == 0
