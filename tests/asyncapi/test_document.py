"""The document is valid AsyncAPI 3.0, names what is there, and is served to everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from typing import Any

import jsonschema_rs
import pytest

from sharetally.adapters.brokers.amqp_topology import FEED_EXCHANGE, queue_name
from sharetally.domain.errors import MalformedMessage
from sharetally.domain.event import COUNTED
from sharetally.flow.consumers.external import JOB_NAMES, InboundJob, to_adjustment
from sharetally.flow.consumers.inbound import Inbound
from tests.asyncapi.official import schema
from tests.web.api import Api
from tests.web.conftest import api, make_api, migrated_file

__all__ = ["api", "make_api", "migrated_file"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def document(api: Api) -> Any:
    """As it is served, without a token."""
    response = await api.request("GET", "/asyncapi.json", user=None)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["access-control-allow-origin"] == "*"
    return response.json


async def test_it_is_valid_by_the_official_schema(document: Any) -> None:
    official = jsonschema_rs.validator_for(schema(), validate_formats=True)
    assert document["asyncapi"] == "3.0.0"
    assert [f"{fault.instance_path}: {fault.message}" for fault in official.iter_errors(document)] == []
    assert not official.is_valid({**document, "operations": {"tell": {"action": "shout"}}}), "it checks something"


async def test_every_reference_leads_somewhere(document: Any) -> None:
    lock_set = list(_references(document))
    assert len(lock_set) > 20
    for reference in lock_set:
        assert resolve(document, reference), reference


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from _references(each)


def resolve(document: Any, reference: str) -> Any:
    """What a reference means, references that it leads to followed."""
    found = reduce(lambda part, name: part[name], reference.removeprefix("#/").split("/"), document)
    return resolve(document, found["$ref"]) if "$ref" in found else found


def channels_of_the_broker(document: Any) -> list[Any]:
    """All but that of `/live`."""
    here = [{"$ref": "#/servers/rabbitmq"}]
    return [each for each in document["channels"].values() if each["servers"] == here]


async def test_its_channels_are_the_exchanges_and_queues_there_are(document: Any) -> None:
    *outward, inward = channels_of_the_broker(document)
    assert {each["address"] for each in outward} == COUNTED
    assert {each["bindings"]["amqp"]["exchange"]["name"] for each in outward} == {FEED_EXCHANGE}
    assert inward["address"] == inward["bindings"]["amqp"]["queue"]["name"] == queue_name(Inbound.queue.name)
    assert {resolve(document, each["$ref"])["name"] for each in inward["messages"].values()} == set(JOB_NAMES)


async def test_an_operation_has_one_message_of_its_channel(document: Any) -> None:
    """So that every message is valid by one and only one, as the specification wants."""
    for name, operation in document["operations"].items():
        [message] = operation["messages"]
        assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/"), name
        assert operation["action"] == ("send" if name.startswith("tell") else "receive")


async def test_every_example_matches_its_schema(document: Any) -> None:
    for name, message in document["components"]["messages"].items():
        check = validator(document, message)
        for example in message["examples"]:
            assert [fault.message for fault in check.iter_errors(example["payload"])] == [], name


def validator(document: Any, message: Any) -> Any:
    """What checks the payload of this message."""
    rooted = {**message["payload"], "components": document["components"]}
    return jsonschema_rs.validator_for(rooted, validate_formats=True)


@pytest.mark.parametrize("name", JOB_NAMES)
async def test_messages_that_the_document_forbids_are_not_jobs(document: Any, name: str) -> None:
    """Each field left out or spoilt: by the document and by the service it is a job, or it is none."""
    [message] = [
        each
        for key, each in document["components"]["messages"].items()
        if key.startswith("external") and each["name"] == name
    ]
    check, whole = validator(document, message), message["examples"][0]["payload"]
    spoilt: dict[str, Any] = {
        "contentType": "Video!",
        "contentId": "a/b",
        "channelId": "a b",
        "timestamp": "soon",
        "jobId": "",
    }
    spoilt |= {"userId": "a\nb", "shareId": 7, "operation": "double", "amount": 1_000_001, "reason": "r\u0000"}
    tries = [{key: value for key, value in whole.items() if key != gone} for gone in whole]
    tries += [{**whole, key: value} for key, value in spoilt.items()]
    tries += [whole, {**whole, "anything": "else"}]
    for each in tries:
        assert check.is_valid(each) is _is_job(name, each), each


def _is_job(name: str, job: Any) -> bool:
    text = json.dumps(job)
    try:
        to_adjustment(InboundJob(name=name, text=text))
    except MalformedMessage:
        return False
    return True
