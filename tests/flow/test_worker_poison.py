"""Jobs that can never succeed are found by halving and parked alone; bytes that hold no job are rejected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.errors import DataRejected, MalformedMessage
from sharetally.domain.event import Job
from sharetally.domain.ids import new_id
from sharetally.flow.jobs import marker_message
from sharetally.ports import Message
from tests.contracts.database_rows import AT
from tests.flow.harness import QUEUES, TIMEOUT, open_channel, receive_messages, run_workers, wait_until
from tests.flow.worker_harness import CREATED, WorkerHarness, make_event_refs, publish_refs

pytestmark = pytest.mark.anyio
NESTED = b"[" * 50_000 + b"]" * 50_000


@pytest.fixture
async def memory() -> AsyncIterator[MemoryBroker]:
    made = MemoryBroker()
    await made.open(QUEUES)
    yield made
    await made.close()


@pytest.fixture
async def rabbitmq(amqp_url: str) -> AsyncIterator[AmqpBroker]:
    made = AmqpBroker(amqp_url, feed=True)
    await made.open(QUEUES)
    yield made
    await made.close()


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    async with open_channel(amqp_url) as made:
        yield made


@pytest.fixture
def worker_harness() -> WorkerHarness:
    return WorkerHarness()


async def work_off(memory: MemoryBroker, worker_harness: WorkerHarness) -> None:
    async with run_workers(worker_harness.worker(memory)):
        await asyncio.wait_for(memory.join(), TIMEOUT)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (MalformedMessage("the video is not there"), "the video is not there"),
        (DataRejected("22003"), "22003"),
        (DataRejected(), "DataRejected: "),
        (KeyError("platform"), "KeyError: 'platform'"),
        (RuntimeError("a foreign\nconsumer's \x00 fault"), "RuntimeError: a foreign?consumer's ? fault"),
    ],
)
async def test_bisection_parks_only_the_poison_job(
    memory: MemoryBroker, worker_harness: WorkerHarness, fault: Exception, reason: str
) -> None:
    some = make_event_refs(1000)
    poison = some.pop(617)
    worker_harness.recorder.poison[poison] = fault
    await publish_refs(memory, *some[:617], poison, *some[617:])
    await work_off(memory, worker_harness)
    assert worker_harness.recorder.parked == [(poison, reason)]
    assert worker_harness.recorder.done == some
    assert len(worker_harness.recorder.calls) <= 2 * 10 + 1  # 1,000 is halved ten times
    assert worker_harness.tally.outcomes() == {"counted": 999, "parked": 1}


async def test_a_batch_of_nothing_but_poison(memory: MemoryBroker, worker_harness: WorkerHarness) -> None:
    worker_harness.recorder.poison = dict.fromkeys(some := make_event_refs(8), ValueError("all of it"))
    await publish_refs(memory, *some)
    await work_off(memory, worker_harness)
    assert [job for job, _ in worker_harness.recorder.parked] == some


# bytes that hold no job


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"not JSON", b'{"jobId": 1}', b"7", b"[" * 50_000, NESTED])
async def test_a_message_without_a_job_is_rejected(
    memory: MemoryBroker, worker_harness: WorkerHarness, body: bytes
) -> None:
    await memory.publish([Message(job=CREATED, body=body)])
    await publish_refs(memory, *(good := make_event_refs(1)))
    await work_off(memory, worker_harness)
    assert worker_harness.recorder.done == good
    (rejected_message,) = memory.rejected
    assert (rejected_message.queue, rejected_message.message.body, rejected_message.reason) == (
        "count",
        body,
        "not a JSON array of jobs",
    )
    assert worker_harness.tally.outcomes() == {"counted": 1, "rejected": 1}


@pytest.mark.parametrize(
    "element",
    [
        b"7",
        b"{}",
        b'{"jobId": "not a UUID", "contentType": "video", "contentId": "abc"}',
        b'{"jobId": "\xff", "contentType": "video", "contentId": "abc"}',
        NESTED[49_500:50_500],
    ],
)
async def test_only_the_invalid_element_of_an_array_is_rejected(
    memory: MemoryBroker, worker_harness: WorkerHarness, element: bytes
) -> None:
    first, last = make_event_refs(2)
    jobs = [
        msgspec.json.encode({"jobId": each.id, "contentType": "video", "contentId": "abc"}) for each in (first, last)
    ]
    await memory.publish([Message(job=CREATED, body=b"[" + b",".join([jobs[0], element, jobs[1]]) + b"]")])
    await work_off(memory, worker_harness)
    assert worker_harness.recorder.done == [first, last]
    assert [(each.message.body, each.reason) for each in memory.rejected] == [(element, "not a job")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"{}",
        b'{"mark": "2026-11-20T12:00:00"}',
        b'{"mark": "0001-01-01T00:00:00+01:00"}',
        b'{"mark": "9999-12-31T23:59:59-01:00"}',
        NESTED,
    ],
)
async def test_an_invalid_marker_is_rejected(memory: MemoryBroker, worker_harness: WorkerHarness, body: bytes) -> None:
    await memory.publish([Message(job="mark.count", body=body), marker_message("count", AT)])
    await work_off(memory, worker_harness)
    assert worker_harness.marks.noted == {"count": AT}
    assert [each.message.body for each in memory.rejected] == [body]


async def test_rejected_messages_go_to_the_dead_queue(
    rabbitmq: AmqpBroker, channel: AbstractChannel, worker_harness: WorkerHarness
) -> None:
    await rabbitmq.publish([Message(job=CREATED, body=b"not JSON")])
    async with run_workers(worker_harness.worker(rabbitmq)):
        (rejected_message,) = await receive_messages(channel, "sharetally.rejected", 1)
    properties = rejected_message.header.properties
    assert (rejected_message.body, properties.message_type) == (b"not JSON", CREATED)
    assert properties.headers == {"x-reason": "not a JSON array of jobs", "x-queue": "sharetally.count"}


async def test_an_unknown_job_name_does_no_harm(
    rabbitmq: AmqpBroker, channel: AbstractChannel, worker_harness: WorkerHarness
) -> None:
    """The row is counted, whatever the message calls itself."""
    job = {"jobId": new_id(), "contentType": "video", "contentId": "abc"}
    body = msgspec.json.encode([job])
    named = Basic.Properties(message_type="share_unheard_of")
    await channel.basic_publish(body, routing_key="sharetally.count", properties=named)
    await channel.basic_publish(body, routing_key="sharetally.count")
    async with run_workers(worker_harness.worker(rabbitmq)):
        await wait_until(lambda: worker_harness.recorder.has_done(2))
    assert [each.job for each in worker_harness.recorder.done] == ["share_unheard_of", "sharetally.count"]
    assert {each.id for each in worker_harness.recorder.done} == {job["jobId"]}
    assert str(Job.SHARE_CREATED) not in {each.job for each in worker_harness.recorder.done}
