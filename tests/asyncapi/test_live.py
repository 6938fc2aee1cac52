"""Real messages of a running `/live` are checked against the document, and its examples are sent exactly as written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.asyncapi.test_document import resolve, validator
from tests.web.api import Api
from tests.web.conftest import MakeApi, api, make_api, migrated_file
from tests.web.live_clients import Client, connect_live, content_fields, serve

__all__ = ["api", "make_api", "migrated_file"]
pytestmark = pytest.mark.anyio
VIDEO = "video/abc"


@pytest.fixture
async def document(api: Api) -> Any:
    return (await api.request("GET", "/asyncapi.json", user=None)).json


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    async with serve(api) as (_, found):
        yield found


@pytest.fixture
async def client(api: Api, port: int) -> AsyncIterator[Client]:
    """A client that may see all messages."""
    async with connect_live(port) as made:
        await made.send(token=api.token("maria", "shares analytics"))
        yield made


def kinds(document: Any, payload: Any) -> list[str]:
    """The messages of the channel that this is; there must be one."""
    messages = {
        name: resolve(document, each["$ref"]) for name, each in document["channels"]["live"]["messages"].items()
    }
    return [name for name, each in messages.items() if validator(document, each).is_valid(payload)]


async def test_every_live_message_matches_the_document(api: Api, client: Client, document: Any) -> None:
    await api.share("abc", "twitter")
    await api.counted(VIDEO)
    await client.subscribe(VIDEO, "video/never")
    heard = [await client.receive(), await client.receive()]
    await api.share("abc", "whatsapp")
    heard.append(await client.receive())
    assert [kinds(document, each) for each in heard] == [["liveCount"]] * 3
    assert {each["shareCount"] for each in heard} == {0, 1, 2}
    properties = resolve(document, "#/components/schemas/CountBody")["properties"]
    assert all(each.keys() == properties.keys() for each in heard), "nothing is left untold"


async def test_activity_messages_match_the_document(api: Api, client: Client, document: Any) -> None:
    await client.send(subscribe="activity")
    heard = await client.receive()
    assert kinds(document, heard) == ["liveActivity"]
    await api.share("abc", "twitter")
    while not heard["activity"]:
        heard = await client.receive()
    assert kinds(document, heard) == ["liveActivity"]
    assert heard["activity"][0].keys() == resolve(document, "#/components/schemas/MinuteBody")["properties"].keys()


async def test_every_example_is_accepted(api: Api, port: int, document: Any) -> None:
    """After each example, something with a known answer is sent: no error has arrived before that answer."""
    response = resolve(document, document["channels"]["live"]["messages"]["liveSaid"]["$ref"])
    assert {"token", "subscribe", "unsubscribe"} <= {each["name"] for each in response["examples"]}
    for place, example in enumerate(response["examples"]):
        assert kinds(document, example["payload"]) == ["liveSaid"]
        payload = example["payload"] | ({"token": api.token()} if example["name"] == "token" else {})
        async with connect_live(port) as other:
            await other.send(token=api.token("maria", "shares analytics"))
            await other.send(**payload)
            await other.subscribe(f"video/last{place}")
            heard = [await other.receive()]
            while heard[-1].get("contentId") != f"last{place}":
                heard.append(await other.receive())
        assert all("error" not in each for each in heard), (example, heard)


CONTENT = content_fields(VIDEO)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"follow": [CONTENT]},
        {"subscribe": [CONTENT | {"contentType": "Video!"}]},
        {"subscribe": [CONTENT | {"contentId": "a/b"}]},
        {"subscribe": [CONTENT | {"version": -1}]},
        {"subscribe": [CONTENT | {"since": 1}]},
        {"subscribe": [{"contentType": "video"}]},
        {"subscribe": [CONTENT] * 201},
        {"unsubscribe": "everything"},
        {"token": 7},
    ],
)
async def test_messages_that_the_document_forbids_are_refused(client: Client, document: Any, spoilt: Any) -> None:
    assert kinds(document, spoilt) == []
    await client.send(**spoilt)
    heard = await client.receive()
    assert kinds(document, heard) == ["liveError"]
    assert heard["error"]["type"].endswith("/problems/invalid-request")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"protocol": "ws", "host": "{host}", "pathname": None}),
        ({"ROOT_PATH": "/shares"}, {"protocol": "ws", "host": "{host}", "pathname": "/shares"}),
        ({"PUBLIC_URL": "http://share.example:81"}, {"protocol": "ws", "host": "share.example:81", "pathname": None}),
        ({"PUBLIC_URL": "https://share.example"}, {"protocol": "wss", "host": "share.example", "pathname": None}),
    ],
)
async def test_the_document_names_its_server(make_api: MakeApi, settings: Any, expected: Any) -> None:
    async with make_api(**settings) as api:
        document = (await api.request("GET", "/asyncapi.json", user=None)).json
    server = document["servers"]["live"]
    assert {name: server.get(name) for name in expected} == expected
    assert ("host" in server.get("variables", {})) is ("{" in server["host"])
    assert document["channels"]["live"]["servers"] == [{"$ref": "#/servers/live"}]
    assert document["channels"]["live"]["address"] == "/live"
