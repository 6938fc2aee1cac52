"""Real messages out of RabbitMQ against the document, and its examples sent to us as they stand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from sharetally.adapters.migrations.runner import upgrade
from sharetally.settings import Settings
from tests.asyncapi.test_document import channels_of_the_broker, resolve, validator
from tests.flow.harness import open_channel, receive_messages
from tests.tracing.harness import SpanRecorder, run_api, run_workers
from tests.web.api import Api, make_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def chosen(tmp_path: Path, postgresql_url: str, amqp_url: str) -> Settings:
    upgrade(postgresql_url)
    return make_settings(tmp_path, postgresql_url, BROKER_URL=amqp_url, EVENT_FEED="on", LINK_HOSTS="*")


@pytest.fixture
async def api(chosen: Settings) -> AsyncIterator[Api]:
    async with run_api(chosen, SpanRecorder()) as made, run_workers(chosen, SpanRecorder()):
        yield made


@pytest.fixture
async def channel(api: Api, amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """The consumer of an external service, whose queue `heard` is bound to everything."""
    async with open_channel(amqp_url) as made:
        await made.queue_declare("heard", durable=True)
        await made.queue_bind("heard", "sharetally.events", "#")
        yield made


async def test_every_feed_message_matches_the_document(api: Api, channel: AbstractChannel) -> None:
    document = (await api.request("GET", "/asyncapi.json", user=None)).json
    await everything(api)
    heard = await receive_messages(channel, "heard", 6)
    assert {message.routing_key for message in heard} == {
        each["address"] for each in channels_of_the_broker(document) if each["bindings"]["amqp"]["is"] == "routingKey"
    }
    for message in heard:
        told = message_of(document, message.routing_key or "")
        payload = json.loads(message.body)
        assert [fault.message for fault in validator(document, told).iter_errors(payload)] == []
        assert {"shareId", "userId"} <= payload.keys()
        assert payload.keys() <= resolve(document, told["payload"]["$ref"])["properties"].keys(), (
            "nothing is left untold"
        )
        properties = message.header.properties
        assert jsonschema_rs.validator_for(told["headers"]).is_valid(properties.headers)
        assert properties.headers, "the roles of this test trace"
        named = {name: getattr(properties, name) for name in ("content_type", "delivery_mode", "message_id", "app_id")}
        assert {**named, "type": properties.message_type} == {
            **told["x-amqp-properties"],
            "message_id": payload["jobId"],
        }
        assert properties.message_type == told["bindings"]["amqp"]["messageType"]


async def everything(api: Api) -> None:
    """A job of each kind: shared, shared again, withdrawn, a link moved, a count corrected."""
    await api.share("abc", "twitter")
    await api.request("POST", "/videos/abc/share", {"platforms": ["twitter"], "force": True})
    await api.request("DELETE", "/videos/abc/share/twitter")
    link = {"contentType": "article", "contentId": "9", "url": "https://example.org/9", "channelId": "mail"}
    made = (await api.request("POST", "/share-links", link)).json
    await api.request("PATCH", f"/share-links/{made['id']}", {"channelId": "chat"})
    wrong = {"operation": "decrement", "amount": 3, "reason": "bots"}
    response = await api.request("POST", "/share-links/count/article/9/adjustments", wrong, scope="admin")
    assert response.status == 202


def message_of(document: Any, job: str) -> Any:
    """The message that travels under this routing key."""
    [channel] = [each for each in document["channels"].values() if each["address"] == job]
    [message] = channel["messages"].values()
    return resolve(document, message["$ref"])


async def test_the_examples_for_other_services_are_counted(api: Api, channel: AbstractChannel) -> None:
    document = (await api.request("GET", "/asyncapi.json", user=None)).json
    for each in document["channels"]["in"]["messages"].values():
        message = resolve(document, each["$ref"])
        properties = Basic.Properties(message_type=message["bindings"]["amqp"]["messageType"], delivery_mode=2)
        body = json.dumps(message["examples"][0]["payload"]).encode()
        await channel.basic_publish(body, routing_key=document["channels"]["in"]["address"], properties=properties)
    heard = await receive_messages(channel, "heard", 3)
    assert sorted(str(message.routing_key) for message in heard) == [
        "share_count_update",
        "share_created",
        "share_deleted",
    ]
    assert (await api.counted("video/dQw4w9WgXcQ"))["shareCount"] == 1 - 1 + 5
