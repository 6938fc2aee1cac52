"""API keys over HTTP: made and shown once, listed with when they were last used, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sharetally.domain.ids import new_id
from sharetally.web.auth import api_keys
from tests.web.api import Api, eventually, invalid_paths, problem

pytestmark = pytest.mark.anyio


async def made(api: Api, name: str, *scopes: str) -> dict[str, Any]:
    response = await api.request("POST", "/keys", {"name": name, "scopes": scopes}, scope="admin")
    assert (response.status, response.headers["cache-control"]) == (201, "no-store"), response
    assert response.headers["location"] == f"/keys/{response.json['id']}"
    body: dict[str, Any] = response.json
    return body


async def test_a_key_lives(any_api: Api, video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "KEY_TTL", 0.0)
    key = await made(any_api, f"shop-{video}", "shares", "act-as")
    plain = key.pop("key")
    assert (key["scopes"], key["lastUsedAt"], key["revokedAt"]) == (["shares", "act-as"], None, None)
    listed = (await any_api.request("GET", "/keys?pageSize=1", scope="admin")).json["items"]
    assert listed == [key]
    assert plain not in (await any_api.request("GET", "/keys", scope="admin")).body.decode()
    acting = {"x-api-key": plain, "x-user-id": "carla"}
    assert (await any_api.share(video, "twitter", user=None, headers=acting)).status == 200

    async def used() -> Any:
        return (await any_api.request("GET", f"/keys/{key['id']}", scope="admin")).json["lastUsedAt"]

    assert abs(datetime.fromisoformat(await eventually(used)) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (await any_api.request("DELETE", f"/keys/{key['id']}", scope="admin")).status == 204
    assert (await any_api.request("DELETE", f"/keys/{key['id']}", scope="admin")).status == 204
    assert (await any_api.request("GET", f"/keys/{key['id']}", scope="admin")).json["revokedAt"]
    problem(await any_api.share(video, "facebook", user=None, headers=acting), 401, "unauthenticated")


async def test_use_is_noted_once_a_minute(any_api: Api, video: str) -> None:
    key = await made(any_api, f"shop-{video}", "shares")

    async def noted() -> Any:
        return (await any_api.database.keys.all())[0].last_used_at

    (stored, *_) = await any_api.database.keys.all()
    assert str(stored.id) == key["id"]
    await any_api.database.keys.record_use([stored.id, new_id()], at_most_every=60)
    first = await noted()
    await any_api.database.keys.record_use([stored.id], at_most_every=60)
    assert await noted() == first
    await any_api.database.keys.record_use([stored.id], at_most_every=0)
    assert await noted() > first


async def test_a_name_in_use_is_taken(any_api: Api, video: str) -> None:
    key = await made(any_api, f"shop-{video}", "shares")
    body = {"name": f"shop-{video}", "scopes": ["shares"]}
    told = problem(await any_api.request("POST", "/keys", body, scope="admin"), 409, "conflict")
    assert f"'shop-{video}' is in use" in told["detail"]
    assert (await any_api.request("DELETE", f"/keys/{key['id']}", scope="admin")).status == 204
    assert (await any_api.request("POST", "/keys", body, scope="admin")).status == 201


async def test_page_by_page(any_api: Api, video: str) -> None:
    ids = [(await made(any_api, f"{n}-{video}", "audit"))["id"] for n in range(3)]
    first = (await any_api.request("GET", "/keys?pageSize=2", scope="admin")).json
    assert [each["id"] for each in first["items"]] == ids[:0:-1]
    rest = (await any_api.request("GET", f"/keys?pageSize=1&startingAfter={first['next']}", scope="admin")).json
    assert [each["id"] for each in rest["items"]] == ids[:1]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"scopes": ["shares"]}, "name"),
        ({"name": "a b", "scopes": ["shares"]}, "name"),
        ({"name": "x" * 65, "scopes": ["shares"]}, "name"),
        ({"name": "shop"}, "scopes"),
        ({"name": "shop", "scopes": []}, "scopes"),
        ({"name": "shop", "scopes": ["root"]}, "scopes[0]"),
        ({"name": "shop", "scopes": "shares"}, "scopes"),
        ({"name": "shop", "scopes": ["shares", "shares"]}, "scopes"),
        ({"name": "shop", "scopes": ["shares"], "key": "stk_"}, "key"),
    ],
)
async def test_a_malformed_request_names_the_field(readonly_api: Api, body: object, path: str) -> None:
    assert invalid_paths(await readonly_api.request("POST", "/keys", body, scope="admin")) == [path]


async def test_only_for_admins(readonly_api: Api) -> None:
    for method, target in (("GET", "/keys"), ("POST", "/keys"), ("GET", "/keys/a"), ("DELETE", "/keys/a")):
        problem(await readonly_api.request(method, target, scope="shares audit analytics"), 403, "forbidden")
    for odd in ("a", new_id()):
        problem(await readonly_api.request("DELETE", f"/keys/{odd}", scope="admin"), 404, "not-found")
