"""Jobs from other services: each is counted once per jobId; an invalid one is parked with its reason, or rejected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from sharetally.adapters.brokers.amqp import AmqpBroker
from sharetally.domain.content import ContentRef
from sharetally.flow.consumers.external import MAX_BYTES, InboundJob
from sharetally.ports import AuditFilter
from tests.contracts.database_rows import DATABASES, database_url_for, open_empty_database
from tests.flow.harness import Harness, open_channel, open_harness, receive_messages, run_workers, wait_until

pytestmark = pytest.mark.anyio
ARTICLE = ContentRef(type="article", id="123")


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def harness(url: str, amqp_url: str) -> AsyncIterator[Harness]:
    async with open_empty_database(url) as db, open_harness(db, AmqpBroker(amqp_url, feed=True)) as made:
        yield made


@pytest.fixture
async def channel(harness: Harness, amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """A foreign service's channel."""
    async with open_channel(amqp_url) as made:
        yield made


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def job(job_id: str, **fields: Any) -> dict[str, Any]:
    """A ShareCreatedJob or ShareDeletedJob as the requirement document has it."""
    return {
        "jobId": job_id,
        "shareId": "share-1",
        "contentType": "article",
        "contentId": "123",
        "userId": "anna",
        "timestamp": "2026-11-20T12:34:56Z",
        **fields,
    }


def correction(job_id: str, operation: str, **fields: Any) -> dict[str, Any]:
    """A ShareCountUpdateJob as the requirement document has it."""
    named = {"jobId": job_id, "contentType": "article", "contentId": "123", "timestamp": "2026-11-20T12:34:56Z"}
    return {**named, "operation": operation, **fields}


async def send(channel: AbstractChannel, body: object, name: str | None = "share_created") -> None:
    """As another service does: to the queue, by the default exchange, the job's name as the message's type."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    await channel.basic_publish(raw, routing_key="sharetally.in", properties=Basic.Properties(message_type=name))


async def handled(harness: Harness, jobs: int) -> None:
    """Let so many be handled, then counted; nothing ever drifts."""

    async def are_handled() -> bool:
        return sum(harness.meter.outcomes().values()) >= jobs

    harness.meter.jobs.clear()
    async with run_workers(harness.worker(harness.inbound())):
        await wait_until(are_handled)
    assert await harness.counts_match_ledger()
    async with run_workers(harness.worker(harness.count())):
        await wait_until(harness.all_counted)
    assert await harness.counts_match_ledger()


async def reasons(harness: Harness) -> list[str]:
    return [parked.reason for parked in await harness.db.events.parked(limit=100)]


async def test_the_documents_three_jobs(harness: Harness, channel: AbstractChannel) -> None:
    await send(channel, job("1"), "share_created")
    await send(channel, job("2", channelId="mail", campaignId="spring"), "share_created")
    await send(channel, job("3"), "share_deleted")
    await send(channel, correction("4", "increment", amount=40, reason="imported", actor="ops"), "share_count_update")
    await send(channel, correction("5", "decrement"), "share_count_update")
    await handled(harness, 5)
    (found,) = await harness.db.counts.stored([ARTICLE])
    assert found.shares == 1 + 1 - 1 + 40 - 1
    assert (found.evidence, found.channel["mail"], found.campaign["spring"]) == ({"adjusted": 40}, 1, 1)
    assert await reasons(harness) == []


@on_sqlite
async def test_the_audit_names_the_sender(harness: Harness, channel: AbstractChannel) -> None:
    await send(channel, job("1", userId="bert"))
    await send(channel, correction("2", "increment", actor="ops"), "share_count_update")
    await send(channel, correction("3", "increment"), "share_count_update")
    await handled(harness, 3)
    lines = await harness.db.audit.page(AuditFilter(), limit=10, after=None)
    assert {line.actor for line in lines} == {"bert", "ops", "inbound"}
    assert {line.action for line in lines} == {"adjusted"}


async def test_in_the_envelope_of_nestjs(harness: Harness, channel: AbstractChannel) -> None:
    await send(channel, {"pattern": "share_created", "data": job("1")}, None)
    await send(channel, {"pattern": "share_created", "data": job("2"), "id": "7c1f"}, "whatever")
    await send(channel, {"data": job("3"), "pattern": "share_deleted"}, "share_created")
    await handled(harness, 3)
    assert await harness.shares(ARTICLE) == 1
    assert await reasons(harness) == []


async def test_a_job_is_counted_once_however_often_it_is_delivered(harness: Harness, channel: AbstractChannel) -> None:
    for _ in range(5):
        await send(channel, job("1"))
        await send(channel, {"pattern": "share_created", "data": job("2")}, None)
    await handled(harness, 10)
    await send(channel, job("1"))
    await handled(harness, 1)
    assert await harness.shares(ARTICLE) == 2
    assert await reasons(harness) == []


async def test_a_job_id_with_another_body_is_parked(harness: Harness, channel: AbstractChannel) -> None:
    await send(channel, job("1"))
    await handled(harness, 1)
    await send(channel, job("1", contentId="124"))
    await send(channel, job("1"), "share_deleted")
    await handled(harness, 2)
    assert await harness.shares(ARTICLE) == 1
    assert await reasons(harness) == ["jobId '1' was used for another adjustment; take a new one"] * 2


@on_sqlite
async def test_jobs_that_come_together_are_one_commit(harness: Harness) -> None:
    inbound = harness.inbound()
    jobs = [InboundJob(name="share_created", text=msgspec.json.encode(job(str(each))).decode()) for each in range(300)]
    results = await inbound.handle(jobs)
    assert [result.outcome for result in results] == ["done"] * 300
    assert len(harness.meter.batches) <= 2
    assert sum(harness.meter.batches) == 300


# what is no job


NO_JOBS = [
    ("share_updated", job("1"), "no job of ours: 'share_updated'"),
    (None, job("1"), "no job of ours: 'sharetally.in'"),
    ("share_created\n", job("1"), "no job of ours: 'share_created?'"),
    ("share_created", {}, "share_created: Object missing required field `jobId`"),
    ("share_created", job("1", contentId=7), "share_created: Expected `str`, got `int` - at `$.contentId`"),
    ("share_created", job(""), "share_created: jobId must be 1 to 128 characters"),
    ("share_created", job("1\0"), "share_created: jobId must not contain control characters"),
    ("share_created", job("1", shareId="\0"), "share_created: shareId must not contain control characters"),
    ("share_created", job("1", shareId=None), "share_created: shareId is missing"),
    ("share_deleted", job("1", userId=None), "share_deleted: userId is missing"),
    ("share_created", job("1", contentType="Article"), "share_created: contentType must match"),
    ("share_created", job("1", contentId="a/b"), "share_created: contentId must not contain '/'"),
    ("share_created", job("1", channelId="e mail"), "share_created: channelId must match"),
    ("share_created", job("1", version=2), "share_created: version must be 1, the only one that is known"),
    ("share_created", job("1", version="1"), "share_created: Expected `int`"),
    ("share_created", job("1", amount=2), "share_created: amount is for share_count_update only"),
    ("share_created", job("1", timestamp="yesterday"), "share_created: Invalid RFC3339"),
    ("share_count_update", correction("1", "double"), "share_count_update: Invalid enum value 'double'"),
    ("share_count_update", correction("1", "a\0b"), r"share_count_update: Invalid enum value 'a\x00b'"),
    ("share_count_update", correction("1", "increment", amount=0), "share_count_update: amount must be 1 to 1000000"),
    ("share_count_update", correction("1", "increment", amount=10**30), "share_count_update: amount must be 1 to"),
    ("share_count_update", job("1"), "share_count_update: operation is missing"),
]


async def test_an_invalid_job_is_parked_with_its_reason(harness: Harness, channel: AbstractChannel) -> None:
    for name, body, _ in NO_JOBS:
        await send(channel, body, name)
    await send(channel, {"pattern": "a\0b\nc", "data": {"x": "\0"}}, None)
    await send(channel, good := job("good"))
    await handled(harness, len(NO_JOBS) + 2)
    told = list(reversed(await reasons(harness)))
    assert [reason[: len(start)] for reason, (_, _, start) in zip(told, NO_JOBS, strict=False)] == [
        start for _, _, start in NO_JOBS
    ]
    assert told[-1].startswith("no job of ours: 'a?b?c'")
    assert (await harness.shares(ARTICLE), good["jobId"]) == (1, "good")
    assert (await harness.db.events.backlog()).parked == len(NO_JOBS) + 1


async def test_a_parked_job_keeps_its_original_body(harness: Harness, channel: AbstractChannel) -> None:
    body = b'{"jobId": 1e5, "more": [1.0, "\\u0000", 123456789012345678901234567890]}'
    await send(channel, body)
    await send(channel, b'{"pattern": "share_created", "data": ' + body + b"}", None)
    await handled(harness, 2)
    kept = {parked.event.payload for parked in await harness.db.events.parked(limit=10)}
    assert kept == {f"share_created\n{body.decode()}"}


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"7", b'{"x": "\xff"}', b'{"x": ' + b"[" * 9000], ids=str)
@on_sqlite
async def test_a_message_without_a_json_object_is_rejected(
    harness: Harness, channel: AbstractChannel, body: bytes
) -> None:
    await send(channel, body)
    await send(channel, job("1"))
    await handled(harness, 2)
    (rejected_message,) = await receive_messages(channel, "sharetally.rejected", 1)
    assert (rejected_message.body, rejected_message.header.properties.message_type) == (body, "share_created")
    assert (rejected_message.header.properties.headers or {})["x-reason"] == "not a JSON object"
    assert await harness.shares(ARTICLE) == 1


async def test_a_message_of_the_greatest_length_is_parked_and_a_longer_one_rejected(
    harness: Harness, channel: AbstractChannel
) -> None:
    longest = msgspec.json.encode({"x": "y" * (MAX_BYTES - 8)})
    assert len(longest) == MAX_BYTES
    await send(channel, longest)
    await send(channel, msgspec.json.encode({"x": "y" * 5_000_000}))
    await handled(harness, 2)
    (rejected_message,) = await receive_messages(channel, "sharetally.rejected", 1)
    assert len(rejected_message.body) == 5_000_008
    (parked,) = await harness.db.events.parked(limit=10)
    assert parked.event.payload == f"share_created\n{longest.decode()}"
