"""One share from the request to the count, on PostgreSQL and RabbitMQ: each step is found from the one before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from pamqp.commands import Basic
from pamqp.common import FieldTable

from sharetally.adapters.migrations.runner import upgrade
from sharetally.settings import Settings
from tests.contracts.database_rows import record, share
from tests.flow.stage import channel_to, long_ago, taken
from tests.flow.test_inbound import job
from tests.tracing.stand import (
    CALLER,
    UNSAMPLED,
    Seen,
    causes,
    context,
    ids,
    kinds,
    parent,
    serving,
    told,
    working,
)
from tests.web.api import Api, settings

pytestmark = pytest.mark.anyio

SHARE = "POST /videos/{videoId}/share"
SEND = "send sharetally:share_created"
COUNT = "process sharetally.count"


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def chosen(tmp_path: Path, postgresql_url: str, amqp_url: str) -> Settings:
    upgrade(postgresql_url)
    return settings(tmp_path, postgresql_url, BROKER_URL=amqp_url, EVENT_FEED="on")


@pytest.fixture
async def api(chosen: Settings, seen: Seen) -> AsyncIterator[Api]:
    async with serving(chosen, seen) as made:
        yield made


async def test_a_lone_share_is_one_trace_from_end_to_end(api: Api, chosen: Settings, seen: Seen) -> None:
    async with working(chosen, seen):
        said = await api.share("abc", "twitter", headers={"traceparent": CALLER, "x-request-id": "mine"})
        assert said.status == 200
        [counted] = await seen.first(COUNT)
    [request], [sent] = seen.named(SHARE), seen.named(SEND)
    commit, counting = (span for span in seen.named("commit") if parent(span) in (ids(request), ids(counted)))
    journey = [request, commit, sent, counted, counting]
    assert {f"{context(span).trace_id:032x}" for span in journey} == {CALLER.split("-")[1]}
    assert kinds(journey) == [
        SpanKind.SERVER,
        SpanKind.INTERNAL,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.INTERNAL,
    ]
    assert [f"{span.parent.span_id:016x}" for span in [request] if span.parent] == [CALLER.split("-")[2]]
    for cause, effect in pairwise(journey):
        assert parent(effect) == ids(cause)
        assert causes(effect) == {ids(cause)}
    assert told(request, "sharetally.") == {"sharetally.request_id": "mine"}
    assert told(request, "http.") == {
        "http.request.method": "POST",
        "http.route": "/videos/{videoId}/share",
        "http.response.status_code": 200,
    }
    assert told(commit, "sharetally.") == {"sharetally.wishes": 1, "sharetally.events": 1}
    assert told(sent, "messaging.destination") == {"messaging.destination.name": "sharetally:share_created"}
    assert told(counted, "messaging.") == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "sharetally.count",
        "messaging.batch.message_count": 1,
    }
    assert not [span for span in journey if span.status.status_code is StatusCode.ERROR]


async def test_requests_that_share_a_transaction_are_all_found_from_it(api: Api, chosen: Settings, seen: Seen) -> None:
    """The first in a batch is the parent of what follows; the links lead to each of them, and on to the count."""
    await asyncio.gather(*(api.share("abc", "twitter", user=f"user-{number}") for number in range(12)))
    requests = seen.named(SHARE)
    commits = seen.named("commit")
    assert len(requests) == 12
    assert sorted(each for commit in commits for each in causes(commit)) == sorted(ids(each) for each in requests)
    assert max(len(causes(commit)) for commit in commits) > 1
    assert all(parent(commit) in causes(commit) for commit in commits)
    async with working(chosen, seen):
        await api.counted("video/abc")
    sent, counted = seen.named(SEND), seen.named(COUNT)
    assert {each for span in sent for each in causes(span)} == {ids(commit) for commit in commits}
    assert {each for span in counted for each in causes(span)} == {ids(span) for span in sent}
    assert sum(int(str(told(span, "sharetally.jobs")["sharetally.jobs"])) for span in counted) == 12


async def test_the_feed_carries_the_context_outside(api: Api, chosen: Settings, seen: Seen, amqp_url: str) -> None:
    async with channel_to(amqp_url) as channel, working(chosen, seen):
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        await api.share("abc", "twitter", headers={"traceparent": CALLER})
        [heard] = await taken(channel, "heard", 1)
        [sent] = await seen.first("send sharetally.events:share_created")
    trace, span = ids(sent)
    assert heard.header.properties.headers == {"traceparent": f"00-{trace:032x}-{span:016x}-01"}
    assert f"{trace:032x}" == CALLER.split("-")[1]
    [fed] = seen.named("process sharetally.feed")
    assert (sent.kind, parent(sent)) == (SpanKind.PRODUCER, ids(fed))
    assert told(sent, "messaging.message.id") == {"messaging.message.id": heard.header.properties.message_id}


async def test_a_job_from_another_service_goes_on_with_its_trace(
    api: Api, chosen: Settings, seen: Seen, amqp_url: str
) -> None:
    headers: FieldTable = {"traceparent": CALLER, "x-tries": 3, "x-blob": bytearray(b"\xff")}
    properties = Basic.Properties(message_type="share_created", delivery_mode=2, headers=headers)
    async with channel_to(amqp_url) as channel, working(chosen, seen):
        await channel.basic_publish(
            msgspec.json.encode(job("shop-1")), routing_key="sharetally.in", properties=properties
        )
        [counted] = await seen.first(COUNT)
    [taken_in] = seen.named("process sharetally.in")
    assert parent(taken_in) in causes(taken_in)
    assert {f"{context(span).trace_id:032x}" for span in (taken_in, counted)} == {CALLER.split("-")[1]}


async def test_what_the_caller_does_not_sample_leaves_no_span(
    api: Api, chosen: Settings, seen: Seen, amqp_url: str
) -> None:
    async with channel_to(amqp_url) as channel, working(chosen, seen):
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        await api.share("abc", "twitter", headers={"traceparent": UNSAMPLED})
        [heard] = await taken(channel, "heard", 1)
    assert seen.exporter.get_finished_spans() == ()
    [(name, value)] = (heard.header.properties.headers or {}).items()
    assert (name, str(value)[3:35], str(value)[-2:]) == ("traceparent", CALLER.split("-")[1], "00")


async def test_what_the_relay_sends_again_begins_a_trace(api: Api, chosen: Settings, seen: Seen) -> None:
    db = api.core.database
    await share(db, record())
    await long_ago(db)
    await db.mark("count", await db.now())
    assert await api.core.relay().look() == 1
    async with working(chosen, seen):
        [counted] = await seen.first(COUNT)
    [sent] = seen.named(SEND)
    assert (parent(sent), causes(sent)) == (None, set())
    assert causes(counted) == {ids(sent)}
    assert [span.name for span in seen.exporter.get_finished_spans() if "mark" in span.name] == []
