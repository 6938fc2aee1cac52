"""The relay: sends again what has provably passed, nothing else, and each of several its own part."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.event import Job
from sharetally.flow.relay import MAX_PER_CLAIM
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    created_event,
    database_url_for,
    insert_shares,
    open_database,
    open_empty_database,
    record,
)
from tests.flow.fake_broker import FakeBroker, event_ids, make_relay
from tests.flow.harness import TIMEOUT, FutureDatabase, backdate_sent_events

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


@pytest.fixture
def fake_broker() -> FakeBroker:
    return FakeBroker()


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)


async def test_the_relay_sends_nothing_when_no_event_is_old(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    await insert_shares(db, record())
    await db.events.mark("count", await db.events.now() + timedelta(hours=1))
    assert await make_relay(db, fake_broker).run_once() == 0
    assert fake_broker.sent == []


async def test_old_events_make_the_relay_send_marks_with_the_database_time(
    db: SqlDatabase, fake_broker: FakeBroker
) -> None:
    await insert_shares(db, record())
    await backdate_sent_events(db, 31)
    before = await db.events.now()
    assert await make_relay(db, fake_broker).run_once() == 0
    after = await db.events.now()
    assert fake_broker.marks() == ["mark.count", "mark.post"]
    for message in fake_broker.sent:
        assert before <= msgspec.convert(msgspec.json.decode(message.body)["mark"], type(before)) <= after


async def test_events_older_than_their_queues_mark_are_sent_again(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    events = await insert_shares(db, record(), record(user_id="bert"))
    await backdate_sent_events(db, 31)
    await db.events.mark("count", await db.events.now() - timedelta(seconds=20))  # sent 31 s ago, and 10 s are a margin
    assert await make_relay(db, fake_broker).run_once() == 2
    assert fake_broker.jobs() == event_ids(events)
    assert await make_relay(db, fake_broker).run_once() == 0, "it was sent just now"
    await db.events.park(events[0].id, "how often was it sent?")
    parked = await db.events.parked_by_id(events[0].id)
    assert parked is not None
    assert parked.attempts == 1


async def test_without_a_returned_mark_no_event_is_sent_again(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    await insert_shares(db, record())
    await backdate_sent_events(db, 31)
    now = await db.events.now()
    await db.events.mark("count", now - timedelta(seconds=22))  # 9 s after it was sent: it may be on its way
    await db.events.mark("post", now)  # another queue's mark is no proof
    assert await make_relay(db, fake_broker).run_once() == 0
    assert fake_broker.jobs() == []


async def test_a_mark_from_before_the_clock_was_set_back_proves_nothing(
    db: SqlDatabase, fake_broker: FakeBroker
) -> None:
    """A database that failed over to a host whose clock is an hour behind: everything was sent before such a mark."""
    events = await insert_shares(db, *(record(user_id=f"user-{number}") for number in range(MAX_PER_CLAIM + 1)))
    await backdate_sent_events(db)
    await db.events.mark("count", await db.events.now() + timedelta(hours=1))
    async with asyncio.timeout(TIMEOUT):
        assert await make_relay(db, fake_broker).run_once() == 0
    await db.events.mark("count", await db.events.now())  # the next one that comes through
    assert await make_relay(db, fake_broker).run_once() == len(events)
    assert fake_broker.jobs() == event_ids(events)


async def test_parked_events_are_not_sent(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    events = await insert_shares(db, record(), record(user_id="bert"))
    await backdate_sent_events(db)
    await db.events.mark("count", await db.events.now())
    await db.events.park(events[0].id, "poison")
    assert await make_relay(db, fake_broker).run_once() == 1
    assert fake_broker.jobs() == event_ids(events[1:])


async def test_each_queue_has_its_own_proof(db: SqlDatabase, fake_broker: FakeBroker) -> None:
    await insert_shares(db, record())
    post = created_event(record(), job=Job.SHARE_POST, delta=0, cell_delta=0, to=None, payload="twitter")
    async with db.transaction() as tx:
        await tx.emit([post])
    await backdate_sent_events(db)
    await db.events.mark("post", await db.events.now())
    assert await make_relay(db, fake_broker).run_once() == 1
    assert fake_broker.jobs() == [str(post.id)]


@on_servers
async def test_concurrent_relays_claim_different_events(db: SqlDatabase, url: str) -> None:
    events = await insert_shares(db, *(record(user_id=f"user-{number}") for number in range(12_000)))
    await backdate_sent_events(db)
    await db.events.mark("count", await db.events.now())
    lines = [FakeBroker(), FakeBroker(), FakeBroker()]
    async with open_database(url) as second, open_database(url) as third:
        relays = [make_relay(each, fake_broker) for each, fake_broker in zip((db, second, third), lines, strict=True)]
        await asyncio.gather(*(each.run_once() for each in relays))
        await relays[0].run_once()  # one may have passed over what another was just looking at
    sent = Counter(job for fake_broker in lines for job in fake_broker.jobs())
    assert sent == Counter(event_ids(events))


# a queue that gives no mark


@on_sqlite
@pytest.mark.parametrize(("consumers", "sent"), [(0, 0), (1, 1)])
async def test_ten_silent_minutes_are_proof_while_there_is_a_consumer(
    db: SqlDatabase, consumers: int, sent: int
) -> None:
    await insert_shares(db, record())
    later, fake_broker = FutureDatabase(db), FakeBroker(consumers=consumers)
    looking = make_relay(later, fake_broker)
    later.by = timedelta(minutes=1)
    assert await looking.run_once() == 0
    later.by = timedelta(minutes=10, seconds=59)
    assert await looking.run_once() == 0
    later.by = timedelta(minutes=11, seconds=1)
    assert await looking.run_once() == sent


@on_sqlite
async def test_silence_is_counted_from_the_last_mark(db: SqlDatabase) -> None:
    await insert_shares(db, record())
    later, fake_broker = FutureDatabase(db), FakeBroker(consumers=1)
    looking = make_relay(later, fake_broker)
    later.by = timedelta(minutes=1)
    await looking.run_once()
    await db.events.mark("count", await db.events.now())  # proves nothing of what was sent just before it
    await backdate_sent_events(db, 5)
    later.by = timedelta(minutes=9, seconds=59)
    assert await looking.run_once() == 0
    later.by = timedelta(minutes=11)
    assert await looking.run_once() == 1


@on_sqlite
async def test_a_broker_that_was_away_was_not_silent(db: SqlDatabase) -> None:
    await insert_shares(db, record())
    later, fake_broker = FutureDatabase(db), FakeBroker(consumers=1)
    looking = make_relay(later, fake_broker)
    later.by = timedelta(minutes=1)
    await looking.run_once()
    fake_broker.connected = False
    later.by = timedelta(minutes=10)
    assert await looking.run_once() == 0
    fake_broker.connected = True
    later.by = timedelta(minutes=19)
    assert await looking.run_once() == 0
