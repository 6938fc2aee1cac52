"""The publisher: quick to take, bounded, patient for five seconds and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import msgspec
import pytest

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import BrokerUnavailable
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.flow.publisher import Publisher
from sharetally.ports import Broker, Message
from tests.contracts.database_rows import AT
from tests.flow.harness import QUEUES, TIMEOUT, VIDEO, open_channel, receive_messages, run_in_background, wait_until

pytestmark = pytest.mark.anyio
WAITING_BYTES = 16 * 1024 * 1024


class Gate:
    """A broker that lets nothing through until it is opened, or that is away; what it got is in `sent`."""

    def __init__(self, *, away: bool = False) -> None:
        self.volatile = False
        self.sent: list[Message] = []
        self.away = away
        self.asked = 0
        self.opened = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        self.asked += 1
        if self.away:
            raise BrokerUnavailable("away")
        await self.opened.wait()
        self.sent += messages

    def jobs(self) -> list[str]:
        return [job["jobId"] for message in self.sent for job in msgspec.json.decode(message.body)]


class Seconds:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def events(number: int, job: Job = Job.SHARE_CREATED, content: ContentRef = VIDEO) -> list[Event]:
    return [Event(id=new_id(), job=job, content=content, at=AT) for _ in range(number)]


def ids(*some: Event) -> list[str]:
    return [str(each.id) for each in some]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def publisher(gate: Gate, seconds: Seconds) -> AsyncIterator[Publisher]:
    made = Publisher(cast(Broker, gate), clock=seconds)
    async with run_in_background(made.run()):
        yield made


async def test_a_commit_is_one_message_per_job_name(publisher: Publisher, gate: Gate) -> None:
    gate.opened.set()
    made, gone = events(3), events(2, Job.SHARE_DELETED)
    publisher.take([made[0], gone[0], made[1], gone[1], made[2]])
    await publisher.drain(TIMEOUT)
    assert [message.job for message in gate.sent] == ["share_created", "share_deleted"]
    assert gate.jobs() == ids(*made, *gone)
    assert msgspec.json.decode(gate.sent[0].body)[0] == {
        "jobId": str(made[0].id),
        "contentType": "video",
        "contentId": "abc",
    }


async def test_long_commits_are_cut(publisher: Publisher, gate: Gate) -> None:
    gate.opened.set()
    made = events(1200)
    publisher.take(made)
    await publisher.drain(TIMEOUT)
    assert [len(msgspec.json.decode(message.body)) for message in gate.sent] == [500, 500, 200]
    assert gate.jobs() == ids(*made)


async def test_accepting_events_does_not_wait_for_the_broker(publisher: Publisher, gate: Gate) -> None:
    made = events(500)
    publisher.take(made[:1])
    await wait_until(lambda: _asked(gate))
    for event in made[1:]:
        publisher.take([event])
    assert gate.sent == []
    gate.opened.set()
    await publisher.drain(TIMEOUT)
    assert gate.jobs() == ids(*made)


async def test_events_beyond_the_memory_limit_are_left_to_the_relay(publisher: Publisher, gate: Gate) -> None:
    """Ids of 128 characters of four bytes each, the longest there are."""
    content = ContentRef(type="video", id="\U0001f3ac" * 128)
    for _ in range(400):
        publisher.take(events(100, content=content))
    gate.opened.set()
    await publisher.drain(TIMEOUT)
    sent = sum(len(message.body) for message in gate.sent)
    assert WAITING_BYTES / 2 < sent <= WAITING_BYTES
    publisher.take(late := events(1))
    await publisher.drain(TIMEOUT)
    assert gate.jobs()[-1:] == ids(*late)


async def test_events_older_than_five_seconds_are_left_to_the_relay(
    publisher: Publisher, gate: Gate, seconds: Seconds
) -> None:
    publisher.take(first := events(1))
    await wait_until(lambda: _asked(gate))
    publisher.take(events(1))
    seconds.now += 2
    publisher.take(young := events(1))
    seconds.now += 3.1
    gate.opened.set()
    await publisher.drain(TIMEOUT)
    assert gate.jobs() == ids(*first, *young)


async def test_a_broker_that_is_away_for_a_moment_loses_nothing(publisher: Publisher, gate: Gate) -> None:
    gate.away = True
    publisher.take(made := events(2))
    await wait_until(lambda: _asked(gate, times=2))
    publisher.take(more := events(1))
    gate.away = False
    gate.opened.set()
    await publisher.drain(TIMEOUT)
    assert gate.jobs() == ids(*made, *more)


async def test_a_broker_that_stays_away_is_given_up(publisher: Publisher, gate: Gate, seconds: Seconds) -> None:
    gate.away = True
    publisher.take(events(2))
    await wait_until(lambda: _asked(gate))
    seconds.now += 5.1
    await publisher.drain(TIMEOUT)
    assert gate.sent == []


async def test_draining_does_not_wait_for_ever(publisher: Publisher, gate: Gate) -> None:
    publisher.take(events(1))
    await publisher.drain(0.05)
    assert gate.sent == []


async def test_nothing_to_drain_is_drained(publisher: Publisher) -> None:
    await publisher.drain(0.0)


async def test_through_a_real_broker(amqp_url: str) -> None:
    broker = AmqpBroker(amqp_url, feed=False)
    await broker.open(QUEUES)
    made = events(3)
    try:
        publisher = Publisher(broker)
        async with run_in_background(publisher.run()), open_channel(amqp_url) as channel:
            publisher.take(made)
            await publisher.drain(TIMEOUT)
            (message,) = await receive_messages(channel, "sharetally.count", 1)
    finally:
        await broker.close()
    assert message.routing_key == "share_created"
    assert [job["jobId"] for job in msgspec.json.decode(message.body)] == ids(*made)


async def test_a_full_queue_in_memory_is_not_a_fault() -> None:
    broker = MemoryBroker(capacity_messages=1)
    await broker.open(QUEUES)
    publisher = Publisher(broker)
    async with run_in_background(publisher.run()):
        publisher.take(events(1))
        await publisher.drain(TIMEOUT)
        publisher.take(events(1))
        await publisher.drain(0.05)
        state = await broker.state("count")
    await broker.close()
    assert state is not None
    assert state.depth == 1


async def _asked(gate: Gate, times: int = 1) -> bool:
    return gate.asked >= times
