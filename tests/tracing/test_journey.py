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
from tests.contracts.database_rows import insert_shares, record
from tests.flow.harness import backdate_sent_events, open_channel, receive_messages
from tests.flow.test_inbound import job
from tests.tracing.harness import (
    CALLER,
    UNSAMPLED,
    SpanRecorder,
    attributes_under,
    context,
    kinds,
    linked_ids,
    parent,
    run_api,
    run_workers,
    span_ids,
)
from tests.web.api import Api, make_settings

pytestmark = pytest.mark.anyio

SHARE = "POST /videos/{videoId}/share"
SEND = "send sharetally:share_created"
COUNT = "process sharetally.count"


@pytest.fixture
def spans() -> SpanRecorder:
    return SpanRecorder()


@pytest.fixture
def chosen(tmp_path: Path, postgresql_url: str, amqp_url: str) -> Settings:
    upgrade(postgresql_url)
    return make_settings(tmp_path, postgresql_url, BROKER_URL=amqp_url, EVENT_FEED="on")


@pytest.fixture
async def api(chosen: Settings, spans: SpanRecorder) -> AsyncIterator[Api]:
    async with run_api(chosen, spans) as made:
        yield made


async def test_a_lone_share_is_one_trace_from_end_to_end(api: Api, chosen: Settings, spans: SpanRecorder) -> None:
    async with run_workers(chosen, spans):
        said = await api.share("abc", "twitter", headers={"traceparent": CALLER, "x-request-id": "mine"})
        assert said.status == 200
        [counted] = await spans.first(COUNT)
    [request], [sent] = spans.named(SHARE), spans.named(SEND)
    commit, counting = (
        span for span in spans.named("commit") if parent(span) in (span_ids(request), span_ids(counted))
    )
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
        assert parent(effect) == span_ids(cause)
        assert linked_ids(effect) == {span_ids(cause)}
    assert attributes_under(request, "sharetally.") == {"sharetally.request_id": "mine"}
    assert attributes_under(request, "http.") == {
        "http.request.method": "POST",
        "http.route": "/videos/{videoId}/share",
        "http.response.status_code": 200,
    }
    assert attributes_under(commit, "sharetally.") == {"sharetally.commands": 1, "sharetally.events": 1}
    assert attributes_under(sent, "messaging.destination") == {"messaging.destination.name": "sharetally:share_created"}
    assert attributes_under(counted, "messaging.") == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "sharetally.count",
        "messaging.batch.message_count": 1,
    }
    assert not [span for span in journey if span.status.status_code is StatusCode.ERROR]


async def test_requests_that_share_a_transaction_are_all_found_from_it(
    api: Api, chosen: Settings, spans: SpanRecorder
) -> None:
    """The first in a batch is the parent of what follows; the links lead to each of them, and on to the count."""
    await asyncio.gather(*(api.share("abc", "twitter", user=f"user-{number}") for number in range(12)))
    requests = spans.named(SHARE)
    commits = spans.named("commit")
    assert len(requests) == 12
    assert sorted(each for commit in commits for each in linked_ids(commit)) == sorted(
        span_ids(each) for each in requests
    )
    assert max(len(linked_ids(commit)) for commit in commits) > 1
    assert all(parent(commit) in linked_ids(commit) for commit in commits)
    async with run_workers(chosen, spans):
        await api.counted("video/abc")
    sent, counted = spans.named(SEND), spans.named(COUNT)
    assert {each for span in sent for each in linked_ids(span)} == {span_ids(commit) for commit in commits}
    assert {each for span in counted for each in linked_ids(span)} == {span_ids(span) for span in sent}
    assert sum(int(str(attributes_under(span, "sharetally.jobs")["sharetally.jobs"])) for span in counted) == 12


async def test_the_feed_carries_the_context_outside(
    api: Api, chosen: Settings, spans: SpanRecorder, amqp_url: str
) -> None:
    async with open_channel(amqp_url) as channel, run_workers(chosen, spans):
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        await api.share("abc", "twitter", headers={"traceparent": CALLER})
        [heard] = await receive_messages(channel, "heard", 1)
        [sent] = await spans.first("send sharetally.events:share_created")
    trace, span = span_ids(sent)
    assert heard.header.properties.headers == {"traceparent": f"00-{trace:032x}-{span:016x}-01"}
    assert f"{trace:032x}" == CALLER.split("-")[1]
    [fed] = spans.named("process sharetally.feed")
    assert (sent.kind, parent(sent)) == (SpanKind.PRODUCER, span_ids(fed))
    assert attributes_under(sent, "messaging.message.id") == {
        "messaging.message.id": heard.header.properties.message_id
    }


async def test_a_job_from_another_service_continues_its_trace(
    api: Api, chosen: Settings, spans: SpanRecorder, amqp_url: str
) -> None:
    headers: FieldTable = {"traceparent": CALLER, "x-tries": 3, "x-blob": bytearray(b"\xff")}
    properties = Basic.Properties(message_type="share_created", delivery_mode=2, headers=headers)
    async with open_channel(amqp_url) as channel, run_workers(chosen, spans):
        await channel.basic_publish(
            msgspec.json.encode(job("shop-1")), routing_key="sharetally.in", properties=properties
        )
        [counted] = await spans.first(COUNT)
    [taken_in] = spans.named("process sharetally.in")
    assert parent(taken_in) in linked_ids(taken_in)
    assert {f"{context(span).trace_id:032x}" for span in (taken_in, counted)} == {CALLER.split("-")[1]}


async def test_an_unsampled_request_leaves_no_span(
    api: Api, chosen: Settings, spans: SpanRecorder, amqp_url: str
) -> None:
    async with open_channel(amqp_url) as channel, run_workers(chosen, spans):
        await channel.queue_declare("heard", durable=True)
        await channel.queue_bind("heard", "sharetally.events", "#")
        await api.share("abc", "twitter", headers={"traceparent": UNSAMPLED})
        [heard] = await receive_messages(channel, "heard", 1)
    assert spans.exporter.get_finished_spans() == ()
    [(name, value)] = (heard.header.properties.headers or {}).items()
    assert (name, str(value)[3:35], str(value)[-2:]) == ("traceparent", CALLER.split("-")[1], "00")


async def test_an_event_sent_again_by_the_relay_begins_a_trace(api: Api, chosen: Settings, spans: SpanRecorder) -> None:
    db = api.core.database
    await insert_shares(db, record())
    await backdate_sent_events(db)
    await db.events.mark("count", await db.events.now())
    assert await api.core.relay().run_once() == 1
    async with run_workers(chosen, spans):
        [counted] = await spans.first(COUNT)
    [sent] = spans.named(SEND)
    assert (parent(sent), linked_ids(sent)) == (None, set())
    assert linked_ids(counted) == {span_ids(sent)}
    assert [span.name for span in spans.exporter.get_finished_spans() if "mark" in span.name] == []
