"""The worker: batches, acknowledges after the commit only, tries again what passes, comes back to its queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.errors import BrokerUnavailable, TransientConflict, Unavailable
from sharetally.domain.ids import new_id
from sharetally.flow.jobs import marker_message
from sharetally.ports import Broker, Message
from tests.contracts.database_rows import AT
from tests.flow.harness import QUEUES, TIMEOUT, make_broker, open_channel, run_workers, wait_until
from tests.flow.worker_harness import CREATED, WorkerHarness, make_event_refs, publish_refs
from tests.services.proxy import open_proxy

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "amqp"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory:" if request.param == "memory" else str(request.getfixturevalue("amqp_url"))


@pytest.fixture
async def broker(url: str) -> AsyncIterator[Broker]:
    made = make_broker(url)
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
def worker_harness() -> WorkerHarness:
    return WorkerHarness()


# batches


async def test_batches_grow_with_the_queue(memory: MemoryBroker, worker_harness: WorkerHarness) -> None:
    await publish_refs(memory, *(some := make_event_refs(12_000)))
    async with run_workers(worker_harness.worker(memory)):
        await asyncio.wait_for(memory.join(), TIMEOUT)
    assert [len(call) for call in worker_harness.recorder.calls] == [5000, 5000, 2000]
    assert worker_harness.recorder.done == some


async def test_one_huge_message_is_several_batches(broker: Broker, worker_harness: WorkerHarness) -> None:
    jobs = [{"jobId": str(new_id()), "contentType": "video", "contentId": "x" * 100} for _ in range(12_000)]
    await broker.publish([Message(job=CREATED, body=msgspec.json.encode(jobs))])
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_done(12_000))
    assert [len(call) for call in worker_harness.recorder.calls] == [5000, 5000, 2000]


async def test_nothing_is_acknowledged_before_it_is_done(broker: Broker, worker_harness: WorkerHarness) -> None:
    """A worker dies in the middle of its batch: the next one gets all of it."""
    worker_harness.recorder.open.clear()
    await publish_refs(broker, *(some := make_event_refs(3)))
    dying = asyncio.create_task(worker_harness.worker(broker).run(asyncio.Event()))
    await wait_until(lambda: worker_harness.recorder.has_been_called(1))
    dying.cancel()
    await asyncio.wait({dying})
    assert worker_harness.recorder.done == []
    worker_harness.recorder.open.set()
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_done(3))
    assert worker_harness.recorder.done == some


async def test_a_finished_job_is_not_delivered_again(broker: Broker, worker_harness: WorkerHarness) -> None:
    await publish_refs(broker, *(some := make_event_refs(4))[:3])
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_done(3))
    async with run_workers(worker_harness.worker(broker)):
        await publish_refs(broker, some[3])
        await wait_until(lambda: worker_harness.recorder.has_done(4))
    assert worker_harness.recorder.done == some


async def test_stopping_finishes_the_batch_in_hand(broker: Broker, worker_harness: WorkerHarness) -> None:
    worker_harness.recorder.open.clear()
    await publish_refs(broker, *(some := make_event_refs(2)))
    async with run_workers(worker_harness.worker(broker)) as stop:
        await wait_until(lambda: worker_harness.recorder.has_been_called(1))
        stop.set()
        worker_harness.recorder.open.set()
    await publish_refs(broker, *(later := make_event_refs(1)))
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_done(3))
    assert worker_harness.recorder.done == some + later


async def test_an_idle_worker_stops(broker: Broker, worker_harness: WorkerHarness) -> None:
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: _consumed(broker))


async def _consumed(broker: Broker) -> bool:
    state = await broker.state("count")
    return state is not None and state.consumers > 0


# what passes


@pytest.mark.parametrize(
    "fault", [Unavailable("away"), TransientConflict("deadlock"), ConnectionError(), TimeoutError()]
)
async def test_a_transient_failure_is_retried(
    memory: MemoryBroker, worker_harness: WorkerHarness, fault: Exception
) -> None:
    worker_harness.recorder.faults = [fault, fault, fault]
    await publish_refs(memory, *(some := make_event_refs(2)))
    async with run_workers(worker_harness.worker(memory)):
        await asyncio.wait_for(memory.join(), TIMEOUT)
    assert worker_harness.recorder.calls == [some] * 4
    assert (worker_harness.recorder.done, worker_harness.recorder.parked) == (some, [])
    assert worker_harness.tally.outcomes() == {"counted": 2}


async def test_during_a_lasting_failure_nothing_is_acknowledged(broker: Broker, worker_harness: WorkerHarness) -> None:
    worker_harness.recorder.faults = [Unavailable("away")] * 1000
    await publish_refs(broker, *(some := make_event_refs(2)))
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_been_called(2))
    assert worker_harness.recorder.done == []
    worker_harness.recorder.faults.clear()
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_done(2))
    assert worker_harness.recorder.done == some


async def test_a_consumer_without_its_broker_keeps_its_jobs(broker: Broker, worker_harness: WorkerHarness) -> None:
    """The feed's consumer publishes: what it cannot send stays in the queue."""
    worker_harness.recorder.faults = [BrokerUnavailable("no confirm")] * 2
    await publish_refs(broker, *(some := make_event_refs(2)))
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_done(2))
    assert (worker_harness.recorder.done, worker_harness.recorder.parked) == (some, [])


# marks


async def test_a_mark_is_noted_when_all_before_it_is_done(broker: Broker, worker_harness: WorkerHarness) -> None:
    worker_harness.recorder.open.clear()
    worker_harness.marks.faults = 2
    await publish_refs(broker, *make_event_refs(1))
    await broker.publish([marker_message("count", AT)])
    async with run_workers(worker_harness.worker(broker)):
        await wait_until(lambda: worker_harness.recorder.has_been_called(1))
        assert worker_harness.marks.noted == {}
        worker_harness.recorder.open.set()
        await wait_until(worker_harness.marks.any)
    assert worker_harness.marks.noted == {"count": AT}
    assert len(worker_harness.recorder.done) == 1


# a queue that is lost


async def test_after_a_lost_connection_it_is_back_at_its_queue(amqp_url: str, worker_harness: WorkerHarness) -> None:
    async with open_proxy(amqp_url) as proxy:
        broker = AmqpBroker(proxy.url, feed=True)
        await broker.open(QUEUES)
        async with run_workers(worker_harness.worker(broker)):
            await wait_until(lambda: _consumed(broker))
            await proxy.cut()
            await proxy.restore()
            await wait_until(lambda: _sent(broker))
            await wait_until(lambda: worker_harness.recorder.has_done(1))
        await broker.close()


async def test_a_batch_is_delivered_again_after_a_lost_connection(amqp_url: str, worker_harness: WorkerHarness) -> None:
    worker_harness.recorder.open.clear()
    async with open_proxy(amqp_url) as proxy:
        broker = AmqpBroker(proxy.url, feed=True)
        await broker.open(QUEUES)
        async with run_workers(worker_harness.worker(broker)):
            await publish_refs(broker, *(some := make_event_refs(2)))
            await wait_until(lambda: worker_harness.recorder.has_been_called(1))
            proxy.reset()
            worker_harness.recorder.open.set()
            await wait_until(lambda: worker_harness.recorder.has_been_called(2))
        await broker.close()
    assert worker_harness.recorder.calls == [some, some]


async def test_a_queue_that_was_deleted_and_is_back_at_once(amqp_url: str, worker_harness: WorkerHarness) -> None:
    """RabbitMQ 3.10 forgets the consumers of a quorum queue that is recreated within milliseconds."""
    broker = AmqpBroker(amqp_url, feed=True)
    await broker.open(QUEUES)
    async with run_workers(worker_harness.worker(broker, silence=0.5)), open_channel(amqp_url) as channel:
        await wait_until(lambda: _consumed(broker))
        await channel.queue_delete("sharetally.count")
        await wait_until(lambda: _sent(broker))
        await wait_until(lambda: worker_harness.recorder.has_done(1))
    await broker.close()


async def test_an_idle_queue_is_not_a_failure(broker: Broker, worker_harness: WorkerHarness) -> None:
    async with run_workers(worker_harness.worker(broker, silence=0.001)):
        await publish_refs(broker, *(some := make_event_refs(1)))
        await wait_until(lambda: worker_harness.recorder.has_done(1))
    assert worker_harness.recorder.done == some


async def _sent(broker: Broker) -> bool:
    try:
        await publish_refs(broker, *make_event_refs(1))
    except BrokerUnavailable:
        return False
    return True
