"""Parked jobs over HTTP: looked at, counted after all, given up; the invariant holds throughout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sharetally.adapters.databases import tables
from sharetally.domain.content import ContentRef
from sharetally.domain.delivery import Dead
from sharetally.domain.errors import Unavailable
from sharetally.domain.ids import new_id
from sharetally.domain.share import Status
from sharetally.flow.posting.message import NO_ACCOUNT
from sharetally.ports import Writes
from tests.contracts.database_rows import record, records_by_key, write_rows
from tests.contracts.delivery_rows import EPOCH, finish, registered
from tests.web.api import Api, invalid_paths, make_settings, problem, start_api
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio


@pytest.fixture
async def idle(module_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The service on each kind of database, without a worker: shares stay pending until their events are parked."""
    async with start_api(make_settings(tmp_path, module_database), counting=False) as found:
        yield found
        for each in await found.database.events.parked(limit=1_000):
            await found.database.events.unpark([each.event.id])
        async with found.database._engine.write_transaction() as connection:
            await connection.run(tables.deliveries.delete())
            await connection.run(tables.delivery_targets.delete())


async def admin(api: Api, method: str, target: str, body: object = b"") -> Any:
    response = await api.request(method, target, body, scope="admin", user="root")
    assert (response.status, response.headers["cache-control"]) == (200, "no-store"), response
    return response.json


async def parked(api: Api, video: str, *users: str) -> list[str]:
    """A share of each, whose job was set aside before it could be counted; newest first."""
    for user in users:
        await api.share(video, "twitter", user=user)
    heads = await api.database.events.claim(["share_created"], None, 1_000)
    mine = sorted((head.id for head in heads if head.content.id == video), reverse=True)
    for each in mine:
        await api.database.events.park(each, "poison")
    return [str(each) for each in mine]


async def proof(api: Api, video: str) -> tuple[int, int]:
    """Ledger and pending, without a drift."""
    found = (await api.request("GET", f"/proof/video/{video}")).json
    assert found["drift"] == 0
    return found["ledger"], found["pending"]


async def test_a_parked_event_is_shown_in_full(idle: Api, video: str) -> None:
    newest, oldest = await parked(idle, video, "anna", "bert")
    first = await admin(idle, "GET", "/dead?pageSize=1")
    assert (first["next"], [each["id"] for each in first["items"]]) == (newest, [newest])
    rest = (await admin(idle, "GET", f"/dead?startingAfter={newest}"))["items"]
    assert rest[0] == await admin(idle, "GET", f"/dead/{oldest}")
    unknown = {name: rest[0][name] for name in ("createdAt", "recordId", "requestId", "attempts")}
    assert rest[0] == unknown | {
        "id": oldest, "job": "share_created", "contentType": "video", "contentId": video, "delta": 1, "moved": 1,
        "to": {"evidence": "declared", "channelId": "twitter", "campaignId": None}, "from": None,
        "reason": "poison", "userId": "anna", "platform": "twitter", "payload": "",
    }  # fmt: skip


async def test_some_are_replayed_and_others_are_not_there(idle: Api, video: str) -> None:
    newest, oldest = await parked(idle, video, "anna", "bert")
    nobody = str(new_id())
    asked = {"ids": [oldest, nobody, oldest]}
    results = (await admin(idle, "POST", "/dead/replay", asked))["results"]
    assert results == [
        {"id": oldest, "outcome": "replayed", "detail": "sent"},
        {"id": nobody, "outcome": "not-found", "detail": "it is not parked"},
    ]
    assert [each["outcome"] for each in (await admin(idle, "POST", "/dead/replay", asked))["results"]] == [
        "not-found",
        "not-found",
    ]
    assert [each["id"] for each in (await admin(idle, "GET", "/dead"))["items"]] == [newest]
    assert await proof(idle, video) == (2, 2)


async def test_a_discarded_event_is_cancelled_with_author_and_reason(idle: Api, video: str) -> None:
    newest, oldest = await parked(idle, video, "anna", "bert")
    nobody = str(new_id())
    body = {"ids": [newest, nobody, oldest], "reason": "sent twice"}
    results = (await admin(idle, "POST", "/dead/discard", body))["results"]
    assert results == [
        {"id": newest, "outcome": "discarded", "detail": "1 adjustments cancel it"},
        {"id": nobody, "outcome": "not-found", "detail": "it is not parked"},
        {"id": oldest, "outcome": "discarded", "detail": "1 adjustments cancel it"},
    ]
    assert await proof(idle, video) == (0, 0)
    lines = [line for line in await idle.audit_lines(f"video/{video}") if line["action"] == "discarded"]
    assert [(line["actor"], line["error"]["message"]) for line in lines] == [("root", "sent twice")] * 2
    problem(await idle.request("GET", f"/dead/{newest}", scope="admin"), 404, "not-found")


async def test_a_replayed_event_is_counted(make_api: MakeApi, video: str) -> None:
    async with make_api(counting=False) as api:
        await parked(api, video, "anna")
    async with make_api() as api:
        (item,) = (await admin(api, "GET", "/dead"))["items"]
        await admin(api, "POST", "/dead/replay", {"ids": [item["id"]]})
        assert (await api.counted(f"video/{video}"))["shareCount"] == 1


async def test_a_database_that_becomes_unavailable_during_the_request(
    make_api: MakeApi, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_api(counting=False) as api:
        ids = await parked(api, video, "anna", "bert")
        there, calls = api.database.events.discard, list[object]()

        async def discard(*given: Any) -> bool:
            calls.append(given)
            if len(calls) > 1:
                raise Unavailable
            return await there(*given)

        monkeypatch.setattr(api.database.events, "discard", discard)
        body = {"ids": ids, "reason": "r"}
        outcomes = [each["outcome"] for each in (await admin(api, "POST", "/dead/discard", body))["results"]]
        assert outcomes == ["discarded", "failed"]
        problem(
            await api.request("POST", "/dead/discard", {"ids": ids[1:], "reason": "r"}, scope="admin"),
            503,
            "unavailable",
        )


async def dead_post(api: Api, video: str, user: str) -> str:
    """A post that was retried over HTTP and is dead; returns its id."""
    kept = record(content=ContentRef(type="video", id=video), user_id=user, status=Status.FAILED)
    await write_rows(api.database, Writes(new_records=records_by_key(kept)))
    response = await api.request("POST", f"/videos/{video}/share/twitter/retry", user=user)
    assert (response.status, response.json["status"]) == (202, "pending"), response
    worker = await registered(api.database)
    (gate,) = (await api.database.deliveries.due({"post"}, EPOCH)).gates
    (delivery,) = (await api.database.deliveries.claim(worker, gate, {"post"}, EPOCH, 1)).deliveries
    await finish(api.database, delivery, worker, Dead(reason="no such platform"))
    return str(delivery.id)


async def test_a_dead_delivery_is_shown_with_the_parked_jobs_replayed_and_discarded(idle: Api, video: str) -> None:
    (job,) = await parked(idle, video, "anna")
    delivery = await dead_post(idle, video, "bert")
    page = await admin(idle, "GET", "/dead?pageSize=1")
    assert ([each["id"] for each in page["items"]], page["next"]) == ([delivery], delivery)
    assert [each["id"] for each in (await admin(idle, "GET", f"/dead?startingAfter={delivery}"))["items"]] == [job]
    shown = await admin(idle, "GET", f"/dead/{delivery}")
    assert shown == page["items"][0]
    told = {name: shown[name] for name in ("job", "target", "state", "reason", "userId", "platform", "contentId")}
    assert told == {
        "job": "post", "target": str(NO_ACCOUNT), "state": "dead", "reason": "no such platform", "userId": "bert",
        "platform": "twitter", "contentId": video,
    }  # fmt: skip
    body = {"ids": [delivery, job], "reason": "it is gone"}
    results = (await admin(idle, "POST", "/dead/discard", body))["results"]
    assert [(each["outcome"], each["detail"]) for each in results] == [
        ("discarded", "it will not be delivered"),
        ("discarded", "1 adjustments cancel it"),
    ]
    assert (await admin(idle, "POST", "/dead/replay", {"ids": [delivery]}))["results"][0]["outcome"] == "not-found"
    assert (await idle.request("POST", f"/videos/{video}/share/twitter/retry", user="bert")).json["status"] == "pending"


async def test_a_replayed_dead_delivery_waits_again(idle: Api, video: str) -> None:
    delivery = await dead_post(idle, video, "anna")
    results = (await admin(idle, "POST", "/dead/replay", {"ids": [delivery]}))["results"]
    assert results == [{"id": delivery, "outcome": "replayed", "detail": "a worker delivers it"}]
    problem(await idle.request("GET", f"/dead/{delivery}", scope="admin"), 404, "not-found")


@pytest.mark.parametrize(
    ("target", "body", "path"),
    [
        ("replay", {}, "ids"),
        ("replay", {"ids": []}, "ids"),
        ("replay", {"ids": [str(new_id())] * 501}, "ids"),
        ("replay", {"ids": ["x" * 36]}, "ids[0]"),
        ("replay", {"ids": [str(new_id()), "abc"]}, "ids[1]"),
        ("replay", {"ids": [str(new_id())], "all": True}, "all"),
        ("discard", {"ids": [str(new_id())]}, "reason"),
        ("discard", {"ids": [str(new_id())], "reason": ""}, "reason"),
        ("discard", {"ids": [str(new_id())], "reason": "  "}, "reason"),
        ("discard", {"ids": [str(new_id())], "reason": "\u0000"}, "reason"),
    ],
)
async def test_a_malformed_request_names_the_field(readonly_api: Api, target: str, body: object, path: str) -> None:
    assert invalid_paths(await readonly_api.request("POST", f"/dead/{target}", body, scope="admin")) == [path]


async def test_only_for_admins(readonly_api: Api) -> None:
    for method, target in (
        ("GET", "/dead"),
        ("GET", f"/dead/{new_id()}"),
        ("POST", "/dead/replay"),
        ("POST", "/dead/discard"),
    ):
        problem(await readonly_api.request(method, target, scope="shares audit analytics"), 403, "forbidden")
    for odd in ("abc", new_id()):
        problem(await readonly_api.request("GET", f"/dead/{odd}", scope="admin"), 404, "not-found")
