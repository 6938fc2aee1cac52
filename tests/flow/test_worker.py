"""The worker: batches, acknowledges after the commit only, tries again what passes, comes back to its queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.errors import BrokerUnavailable, RunAgain, Unavailable
from sharetally.domain.ids import new_id
from sharetally.flow.jobs import mark_message
from sharetally.ports import Broker, Message
from tests.contracts.database_rows import AT
from tests.flow.recorder import CREATED, Office, heads, send
from tests.flow.stage import QUEUES, WITHIN, broker_of, channel_to, until, working
from tests.services.proxy import open_proxy

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "amqp"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory:" if request.param == "memory" else str(request.getfixturevalue("amqp_url"))


@pytest.fixture
async def broker(url: str) -> AsyncIterator[Broker]:
    made = broker_of(url)
    await made.open(QUEUES)
    yield made
    await made.close()


@pytest.fixture
async def memory() -> AsyncIterator[MemoryBroker]:
    made = MemoryBroker()
    await made.open(QUEUES)
    yield made
    await made.close()


@pytest.fixture
def office() -> Office:
    return Office()


# batches


async def test_batches_grow_with_the_queue(memory: MemoryBroker, office: Office) -> None:
    await send(memory, *(some := heads(12_000)))
    async with working(office.worker(memory)):
        await asyncio.wait_for(memory.join(), WITHIN)
    assert [len(call) for call in office.recorder.calls] == [5000, 5000, 2000]
    assert office.recorder.done == some


async def test_one_huge_message_is_several_batches(broker: Broker, office: Office) -> None:
    jobs = [{"jobId": str(new_id()), "contentType": "video", "contentId": "x" * 100} for _ in range(12_000)]
    await broker.publish([Message(job=CREATED, body=msgspec.json.encode(jobs))])
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.has_done(12_000))
    assert [len(call) for call in office.recorder.calls] == [5000, 5000, 2000]


async def test_nothing_is_acknowledged_before_it_is_done(broker: Broker, office: Office) -> None:
    """A worker that dies in the middle of its batch: whoever comes next gets all of it."""
    office.recorder.open.clear()
    await send(broker, *(some := heads(3)))
    dying = asyncio.create_task(office.worker(broker).run(asyncio.Event()))
    await until(lambda: office.recorder.was_called(1))
    dying.cancel()
    await asyncio.wait({dying})
    assert office.recorder.done == []
    office.recorder.open.set()
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.has_done(3))
    assert office.recorder.done == some


async def test_what_is_done_does_not_come_again(broker: Broker, office: Office) -> None:
    await send(broker, *(some := heads(4))[:3])
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.has_done(3))
    async with working(office.worker(broker)):
        await send(broker, some[3])
        await until(lambda: office.recorder.has_done(4))
    assert office.recorder.done == some


async def test_stopping_finishes_the_batch_in_hand(broker: Broker, office: Office) -> None:
    office.recorder.open.clear()
    await send(broker, *(some := heads(2)))
    async with working(office.worker(broker)) as stop:
        await until(lambda: office.recorder.was_called(1))
        stop.set()
        office.recorder.open.set()
    await send(broker, *(later := heads(1)))
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.has_done(3))
    assert office.recorder.done == some + later


async def test_an_idle_worker_stops(broker: Broker, office: Office) -> None:
    async with working(office.worker(broker)):
        await until(lambda: _consumed(broker))


async def _consumed(broker: Broker) -> bool:
    state = await broker.state("count")
    return state is not None and state.consumers > 0


# what passes


@pytest.mark.parametrize("fault", [Unavailable("away"), RunAgain("deadlock"), ConnectionError(), TimeoutError()])
async def test_what_passes_is_tried_again(memory: MemoryBroker, office: Office, fault: Exception) -> None:
    office.recorder.faults = [fault, fault, fault]
    await send(memory, *(some := heads(2)))
    async with working(office.worker(memory)):
        await asyncio.wait_for(memory.join(), WITHIN)
    assert office.recorder.calls == [some] * 4
    assert (office.recorder.done, office.recorder.parked) == (some, [])
    assert office.tally.outcomes() == {"counted": 2}


async def test_while_it_does_not_pass_nothing_is_acknowledged(broker: Broker, office: Office) -> None:
    office.recorder.faults = [Unavailable("away")] * 1000
    await send(broker, *(some := heads(2)))
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.was_called(2))
    assert office.recorder.done == []
    office.recorder.faults.clear()
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.has_done(2))
    assert office.recorder.done == some


async def test_a_consumer_without_its_broker_keeps_its_jobs(broker: Broker, office: Office) -> None:
    """The feed's consumer publishes: what it cannot send stays in the queue."""
    office.recorder.faults = [BrokerUnavailable("no confirm")] * 2
    await send(broker, *(some := heads(2)))
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.has_done(2))
    assert (office.recorder.done, office.recorder.parked) == (some, [])


# marks


async def test_a_mark_is_noted_when_all_before_it_is_done(broker: Broker, office: Office) -> None:
    office.recorder.open.clear()
    office.marks.faults = 2
    await send(broker, *heads(1))
    await broker.publish([mark_message("count", AT)])
    async with working(office.worker(broker)):
        await until(lambda: office.recorder.was_called(1))
        assert office.marks.noted == {}
        office.recorder.open.set()
        await until(office.marks.any)
    assert office.marks.noted == {"count": AT}
    assert len(office.recorder.done) == 1


# a queue that is lost


async def test_after_a_lost_connection_it_is_back_at_its_queue(amqp_url: str, office: Office) -> None:
    async with open_proxy(amqp_url) as proxy:
        broker = AmqpBroker(proxy.url, feed=True)
        await broker.open(QUEUES)
        async with working(office.worker(broker)):
            await until(lambda: _consumed(broker))
            await proxy.cut()
            await proxy.mend()
            await until(lambda: _sent(broker))
            await until(lambda: office.recorder.has_done(1))
        await broker.close()


async def test_a_batch_whose_connection_is_lost_comes_again(amqp_url: str, office: Office) -> None:
    office.recorder.open.clear()
    async with open_proxy(amqp_url) as proxy:
        broker = AmqpBroker(proxy.url, feed=True)
        await broker.open(QUEUES)
        async with working(office.worker(broker)):
            await send(broker, *(some := heads(2)))
            await until(lambda: office.recorder.was_called(1))
            proxy.reset()
            office.recorder.open.set()
            await until(lambda: office.recorder.was_called(2))
        await broker.close()
    assert office.recorder.calls == [some, some]


async def test_a_queue_that_was_deleted_and_is_back_at_once(amqp_url: str, office: Office) -> None:
    """RabbitMQ 3.10 forgets the consumers of a quorum queue that is made anew within milliseconds."""
    broker = AmqpBroker(amqp_url, feed=True)
    await broker.open(QUEUES)
    async with working(office.worker(broker, silence=0.5)), channel_to(amqp_url) as channel:
        await until(lambda: _consumed(broker))
        await channel.queue_delete("sharetally.count")
        await until(lambda: _sent(broker))
        await until(lambda: office.recorder.has_done(1))
    await broker.close()


async def test_silence_is_no_fault(broker: Broker, office: Office) -> None:
    async with working(office.worker(broker, silence=0.001)):
        await send(broker, *(some := heads(1)))
        await until(lambda: office.recorder.has_done(1))
    assert office.recorder.done == some


async def _sent(broker: Broker) -> bool:
    try:
        await send(broker, *heads(1))
    except BrokerUnavailable:
        return False
    return True
