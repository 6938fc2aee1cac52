"""Idempotency-Key on every write: the same answer again, byte by byte, and nothing done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sharetally.domain.share import Status
from tests.web.api import Api, HttpResponse, invalid_paths, problem

pytestmark = pytest.mark.anyio
Request = tuple[str, str, Any, str]


def key_header(key: str) -> Mapping[str, str]:
    return {"idempotency-key": key}


async def send(api: Api, request: Request, key: str, **how: Any) -> HttpResponse:
    method, path, body, scope = request
    return await api.request(method, path, body, **{"scope": scope, "headers": key_header(key), **how})


@dataclass(frozen=True, kw_only=True)
class RequestPair:
    """A write that succeeds with `status`, and another one that does too."""

    first: Request
    other: Request
    status: int


async def share(api: Api, video: str) -> RequestPair:
    path = f"/videos/{video}/share"
    return RequestPair(
        first=("POST", path, {"platforms": ["x"]}, "shares"), other=("POST", path, {}, "shares"), status=200
    )


async def withdraw(api: Api, video: str) -> RequestPair:
    await api.share(video, "twitter", "facebook")
    first, other = (("DELETE", f"/videos/{video}/share/{each}", b"", "shares") for each in ("twitter", "facebook"))
    return RequestPair(first=first, other=other, status=204)


async def retry(api: Api, video: str) -> RequestPair:
    platforms = ("twitter", "facebook")
    for each in platforms:
        await api.seed(video, Status.FAILED, each)
    first, other = (("POST", f"/content/video/{video}/share/{each}/retry", b"", "shares") for each in platforms)
    return RequestPair(first=first, other=other, status=202)


async def create(api: Api, video: str) -> RequestPair:
    bodies = ({"contentType": "video", "contentId": video, "channelId": each} for each in "ab")
    first, other = (("POST", "/share-links", body, "shares") for body in bodies)
    return RequestPair(first=first, other=other, status=201)


async def links(api: Api, video: str) -> list[str]:
    body = {"contentType": "video", "contentId": video}
    return [f"/share-links/{(await api.request('POST', '/share-links', body)).json['id']}" for _ in range(2)]


async def patch(api: Api, video: str) -> RequestPair:
    first, other = (("PATCH", path, {"channelId": "a"}, "shares") for path in await links(api, video))
    return RequestPair(first=first, other=other, status=200)


async def delete(api: Api, video: str) -> RequestPair:
    first, other = (("DELETE", path, b"", "shares") for path in await links(api, video))
    return RequestPair(first=first, other=other, status=204)


def corrections(video: str) -> list[dict[str, Any]]:
    return [{"operation": "increment", "reason": "import", "amount": each} for each in (1, 2)]


async def adjust(api: Api, video: str) -> RequestPair:
    path = f"/share-links/count/video/{video}/adjustments"
    first, other = (("POST", path, body, "admin") for body in corrections(video))
    return RequestPair(first=first, other=other, status=202)


async def adjust_many(api: Api, video: str) -> RequestPair:
    named = ({"contentType": "video", "contentId": video, **each} for each in corrections(video))
    first, other = (("POST", "/share-links/adjustments", {"adjustments": [each]}, "admin") for each in named)
    return RequestPair(first=first, other=other, status=202)


KINDS = (share, withdraw, retry, create, patch, delete, adjust, adjust_many)
Prepare = Callable[[Api, str], Awaitable[RequestPair]]


@pytest.mark.parametrize("prepare", KINDS)
async def test_a_repeated_key_gets_the_same_answer_and_changes_nothing(
    any_api: Api, video: str, prepare: Prepare
) -> None:
    pair = await prepare(any_api, video)
    first = await send(any_api, pair.first, f"k-{video}")
    assert first.status == pair.status, first
    done = await trace(any_api, video)
    second = await send(any_api, pair.first, f"k-{video}")
    assert (second.status, second.body) == (first.status, first.body)
    named = ("content-type", "location")
    assert [second.headers.get(name) for name in named] == [first.headers.get(name) for name in named]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    problem(await send(any_api, pair.other, f"k-{video}"), 422, "idempotency-key-reused")
    assert await trace(any_api, video) == done
    assert (await send(any_api, pair.other, f"K-{video}")).status == pair.status  # keys are compared exactly


async def trace(api: Api, video: str) -> tuple[int, list[str]]:
    """How far everything has come: the exact count, and what the audit says of anna's doings."""
    lines = [line["id"] for line in await api.audit_lines(f"video/{video}") if line["actor"] == "anna"]
    return await api.exact_count(f"video/{video}"), lines


async def test_concurrent_duplicates_get_one_response(any_api: Api, video: str) -> None:
    body = {"contentType": "video", "contentId": video}
    asked = (any_api.request("POST", "/share-links", body, headers=key_header(f"k-{video}")) for _ in range(20))
    response = await asyncio.gather(*asked)
    assert {(each.status, each.body, each.headers["location"]) for each in response} == {
        (201, response[0].body, response[0].headers["location"])
    }
    assert await any_api.exact_count(f"video/{video}") == 1


async def test_of_two_different_requests_at_once_one_is_refused(any_api: Api, video: str) -> None:
    body = {"contentType": "video", "contentId": video}
    asked = (body | {"channelId": f"c{each}"} for each in range(10))
    response = await asyncio.gather(
        *(any_api.request("POST", "/share-links", each, headers=key_header(f"k-{video}")) for each in asked)
    )
    assert sorted(each.status for each in response) == [201] + [422] * 9
    assert await any_api.exact_count(f"video/{video}") == 1


async def test_another_callers_key_is_another_key(any_api: Api, video: str) -> None:
    key, acting = f"k-{video}", await any_api.key(f"shop-{video}", "shares", "act-as")
    request: Request = ("POST", f"/videos/{video}/share", {"platforms": ["twitter"]}, "shares")
    await send(any_api, request, key)
    assert (await send(any_api, request, key, user="bert")).json["results"][0]["alreadyShared"] is False
    for user in ("carla", "dora"):
        headers = {"idempotency-key": key, "x-api-key": acting, "x-user-id": user}
        response = await send(any_api, request, key, user=None, headers=headers)
        assert response.json["results"][0]["alreadyShared"] is False
    assert await any_api.exact_count(f"video/{video}") == 4


async def test_the_same_body_on_another_path_is_another_request(api: Api, video: str) -> None:
    for path in (f"/videos/{video}/share", f"/videos/{video}2/share", f"/content/video/{video}/share"):
        response = await api.request("POST", path, {"platforms": ["twitter"]}, headers=key_header("key"))
        if path == f"/videos/{video}/share":
            assert response.status == 200
        else:
            problem(response, 422, "idempotency-key-reused")


async def test_a_refusal_is_not_stored(any_api: Api, video: str) -> None:
    key, path = f"k-{video}", f"/videos/{video}/share"
    problem(
        await any_api.request("POST", path, {"platforms": ["myspace"]}, headers=key_header(key)),
        400,
        "unsupported-platforms",
    )
    problem(await any_api.request("DELETE", f"{path}/twitter", headers=key_header(key)), 404, "not-found")
    response = await any_api.request("POST", path, {"platforms": ["twitter"]}, headers=key_header(key))
    assert response.json["results"][0]["alreadyShared"] is False
    problem(await any_api.request("DELETE", f"{path}/twitter", headers=key_header(key)), 422, "idempotency-key-reused")
    assert await any_api.exact_count(f"video/{video}") == 1


async def test_a_replay_returns_the_stored_response_and_not_the_current_state(api: Api, video: str) -> None:
    request: Request = ("POST", f"/videos/{video}/share", {"platforms": ["twitter"]}, "shares")
    first = await send(api, request, "key")
    await api.request("DELETE", f"/videos/{video}/share/twitter")
    assert (await send(api, request, "key")).body == first.body
    assert await api.exact_count(f"video/{video}") == 0


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb", "a\nb", "ké", "\x7f"])
@pytest.mark.parametrize("prepare", [share, withdraw, create, adjust])
async def test_a_malformed_key_is_400_and_writes_nothing(api: Api, video: str, prepare: Prepare, key: str) -> None:
    pair = await prepare(api, video)
    before = await trace(api, video)
    assert invalid_paths(await send(api, pair.first, key)) == ["Idempotency-Key"]
    assert await trace(api, video) == before


async def test_any_printable_key_will_do(any_api: Api, video: str) -> None:
    for key in ("k" * 242 + video[:13], f'" {video}', f"'; DROP TABLE x; -- {video}"):
        request: Request = ("POST", "/share-links", {"contentType": "video", "contentId": video}, "shares")
        first, second = [await send(any_api, request, key) for _ in range(2)]
        assert (first.status, first.body) == (201, second.body)
    assert await any_api.exact_count(f"video/{video}") == 3
