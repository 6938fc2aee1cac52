"""What can never succeed: found by halving and parked alone; and bytes that hold no job, which are buried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.errors import DataRefused, Unworkable
from sharetally.domain.event import Job
from sharetally.domain.ids import new_id
from sharetally.flow.jobs import mark_message
from sharetally.ports import Message
from tests.contracts.database_rows import AT
from tests.flow.recorder import CREATED, Office, heads, send
from tests.flow.stage import QUEUES, WITHIN, channel_to, taken, until, working

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
    async with channel_to(amqp_url) as made:
        yield made


@pytest.fixture
def office() -> Office:
    return Office()


async def work_off(memory: MemoryBroker, office: Office) -> None:
    async with working(office.worker(memory)):
        await asyncio.wait_for(memory.join(), WITHIN)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Unworkable("the video is not there"), "the video is not there"),
        (DataRefused("22003"), "22003"),
        (DataRefused(), "DataRefused: "),
        (KeyError("platform"), "KeyError: 'platform'"),
        (RuntimeError("a foreign\nconsumer's \x00 fault"), "RuntimeError: a foreign?consumer's ? fault"),
    ],
)
async def test_poison_is_found_by_halving_and_parked_alone(
    memory: MemoryBroker, office: Office, fault: Exception, reason: str
) -> None:
    some = heads(1000)
    poison = some.pop(617)
    office.recorder.poison[poison] = fault
    await send(memory, *some[:617], poison, *some[617:])
    await work_off(memory, office)
    assert office.recorder.parked == [(poison, reason)]
    assert office.recorder.done == some
    assert len(office.recorder.calls) <= 2 * 10 + 1  # 1,000 is halved ten times
    assert office.tally.outcomes() == {"counted": 999, "parked": 1}


async def test_a_batch_of_nothing_but_poison(memory: MemoryBroker, office: Office) -> None:
    office.recorder.poison = dict.fromkeys(some := heads(8), ValueError("all of it"))
    await send(memory, *some)
    await work_off(memory, office)
    assert [job for job, _ in office.recorder.parked] == some


# bytes that hold no job


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"not JSON", b'{"jobId": 1}', b"7", b"[" * 50_000, NESTED])
async def test_what_holds_no_job_is_buried(memory: MemoryBroker, office: Office, body: bytes) -> None:
    await memory.publish([Message(job=CREATED, body=body)])
    await send(memory, *(good := heads(1)))
    await work_off(memory, office)
    assert office.recorder.done == good
    (buried,) = memory.buried
    assert (buried.queue, buried.message.body, buried.reason) == ("count", body, "not a JSON array of jobs")
    assert office.tally.outcomes() == {"counted": 1, "buried": 1}


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
async def test_of_a_good_array_only_the_bad_element_is_buried(
    memory: MemoryBroker, office: Office, element: bytes
) -> None:
    first, last = heads(2)
    jobs = [
        msgspec.json.encode({"jobId": each.id, "contentType": "video", "contentId": "abc"}) for each in (first, last)
    ]
    await memory.publish([Message(job=CREATED, body=b"[" + b",".join([jobs[0], element, jobs[1]]) + b"]")])
    await work_off(memory, office)
    assert office.recorder.done == [first, last]
    assert [(each.message.body, each.reason) for each in memory.buried] == [(element, "not a job")]


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
async def test_what_only_looks_like_a_mark_is_buried(memory: MemoryBroker, office: Office, body: bytes) -> None:
    await memory.publish([Message(job="mark.count", body=body), mark_message("count", AT)])
    await work_off(memory, office)
    assert office.marks.noted == {"count": AT}
    assert [each.message.body for each in memory.buried] == [body]


async def test_what_is_buried_goes_to_the_dead_queue(
    rabbitmq: AmqpBroker, channel: AbstractChannel, office: Office
) -> None:
    await rabbitmq.publish([Message(job=CREATED, body=b"not JSON")])
    async with working(office.worker(rabbitmq)):
        (buried,) = await taken(channel, "sharetally.dead", 1)
    properties = buried.header.properties
    assert (buried.body, properties.message_type) == (b"not JSON", CREATED)
    assert properties.headers == {"x-reason": "not a JSON array of jobs", "x-queue": "sharetally.count"}


async def test_a_job_name_that_nobody_knows_does_not_matter(
    rabbitmq: AmqpBroker, channel: AbstractChannel, office: Office
) -> None:
    """The row is counted, whatever the message calls itself."""
    job = {"jobId": new_id(), "contentType": "video", "contentId": "abc"}
    body = msgspec.json.encode([job])
    named = Basic.Properties(message_type="share_unheard_of")
    await channel.basic_publish(body, routing_key="sharetally.count", properties=named)
    await channel.basic_publish(body, routing_key="sharetally.count")
    async with working(office.worker(rabbitmq)):
        await until(lambda: office.recorder.has_done(2))
    assert [each.job for each in office.recorder.done] == ["share_unheard_of", "sharetally.count"]
    assert {each.id for each in office.recorder.done} == {job["jobId"]}
    assert str(Job.SHARE_CREATED) not in {each.job for each in office.recorder.done}
