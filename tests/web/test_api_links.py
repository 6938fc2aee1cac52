"""Share links: created, read, changed and deleted, each by its owner."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.web.api import Api, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
FIELDS = {
    *("id", "code", "shortUrl", "contentType", "contentId", "userId", "channelId", "campaignId"),
    *("url", "createdAt", "updatedAt", "expiresAt"),
}


async def made(api: Api, video: str, *, user: str = "anna", **fields: Any) -> dict[str, Any]:
    """A new link."""
    response = await api.request(
        "POST", "/share-links", {"contentType": "video", "contentId": video, **fields}, user=user
    )
    assert response.status == 201, response
    link: dict[str, Any] = response.json
    return link


async def breakdown(api: Api, video: str) -> dict[str, Any]:
    response = await api.request("GET", f"/share-links/count/video/{video}?consistent=true")
    found: dict[str, Any] = response.json["breakdown"]
    return found


async def test_a_link_is_made_and_counts(any_api: Api, video: str) -> None:
    body = {
        "contentType": "video",
        "contentId": video,
        "url": "https://www.youtube.com/watch?v=other",
        "channelId": "newsletter",
        "campaignId": "spring-2027",
        "expiresAt": "2099-12-31T23:00:00.5+02:00",
    }
    response = await any_api.request("POST", "/share-links", body)
    link = response.json
    assert response.status == 201
    assert set(link) == FIELDS
    assert response.headers["location"] == f"/share-links/{link['id']}"
    assert link["shortUrl"] == f"/s/{link['code']}"
    assert link["userId"] == "anna"
    assert {name: link[name] for name in body} == body | {"expiresAt": "2099-12-31T21:00:00.500000Z"}
    assert link["createdAt"] == link["updatedAt"]
    assert abs((datetime.fromisoformat(link["createdAt"]) - datetime.now(UTC)).total_seconds()) < 60
    assert UUID(link["id"]).version == 7
    assert (await any_api.request("GET", response.headers["location"])).json == link
    cells = {"evidence": {"link": 1}, "channel": {"newsletter": 1}, "campaign": {"spring-2027": 1}}
    assert await breakdown(any_api, video) == cells
    assert (await any_api.counted(f"video/{video}"))["breakdown"] == cells


async def test_all_but_the_content_may_be_left_out(api: Api, video: str) -> None:
    link = await made(api, video)
    assert link["url"] == f"https://www.youtube.com/watch?v={video}"
    assert (link["channelId"], link["campaignId"], link["expiresAt"]) == (None, None, None)
    assert await breakdown(api, video) == {"evidence": {"link": 1}, "channel": {"none": 1}, "campaign": {"none": 1}}


async def test_none_is_the_label_of_no_label(api: Api, video: str) -> None:
    link = await made(api, video, channelId="none", campaignId="none")
    assert (link["channelId"], link["campaignId"]) == (None, None)
    assert await breakdown(api, video) == {"evidence": {"link": 1}, "channel": {"none": 1}, "campaign": {"none": 1}}


async def test_each_link_counts_as_a_separate_share(api: Api, video: str) -> None:
    links = [await made(api, video) for _ in range(3)]
    assert len({link["code"] for link in links}) == 3
    assert await api.exact_count(f"video/{video}") == 3


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"contentType": "Video"}, "contentType"),
        ({"contentType": "video\n"}, "contentType"),
        ({"contentType": None}, "contentType"),
        ({"contentId": ""}, "contentId"),
        ({"contentId": "a/b"}, "contentId"),
        ({"contentId": ".."}, "contentId"),
        ({"contentId": "nul\0"}, "contentId"),
        ({"contentId": "𝄞" * 129}, "contentId"),
        ({"contentId": 7}, "contentId"),
        ({"channelId": ""}, "channelId"),
        ({"channelId": "a b"}, "channelId"),
        ({"channelId": "a\n"}, "channelId"),
        ({"channelId": "ä"}, "channelId"),
        ({"campaignId": "c" * 65}, "campaignId"),
        ({"url": "u" * 2049}, "url"),
        ({"expiresAt": "2027-01-01T00:00:00"}, "expiresAt"),
        ({"expiresAt": "2027-01-01"}, "expiresAt"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"expiresAt": 1800000000}, "expiresAt"),
        ({"expiresAt": "2027-02-29T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
        ({"userId": "bert"}, "userId"),
        ({"code": "mine"}, "code"),
    ],
)
async def test_a_malformed_link_names_the_field_and_writes_nothing(
    readonly_api: Api, video: str, fields: dict[str, Any], path: str
) -> None:
    response = await readonly_api.request(
        "POST", "/share-links", {"contentType": "video", "contentId": video, **fields}
    )
    assert invalid_paths(response) == [path]
    assert (await readonly_api.request("GET", "/share-links")).json == {"items": [], "next": None}


async def test_missing_fields_are_named(readonly_api: Api) -> None:
    assert invalid_paths(await readonly_api.request("POST", "/share-links", {"contentType": "video"})) == ["contentId"]
    response = await readonly_api.request("POST", "/share-links", {"contentType": "song", "contentId": "abc"})
    assert invalid_paths(response) == ["url"]  # CONTENT_URLS does not say where songs live


async def test_the_earliest_and_latest_expiry_are_stored_exactly(any_api: Api, video: str) -> None:
    for moment in ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        link = await made(any_api, video, expiresAt=moment)
        read = (await any_api.request("GET", f"/share-links/{link['id']}")).json
        assert datetime.fromisoformat(read["expiresAt"]) == datetime.fromisoformat(moment)


# changing


async def test_a_patch_changes_only_the_fields_it_contains(any_api: Api, video: str) -> None:
    link = await made(any_api, video, channelId="a", campaignId="b", expiresAt="2099-01-01T00:00:00Z")
    address = f"/share-links/{link['id']}"
    response = await any_api.request("PATCH", address, {"channelId": "c"})
    assert response.status == 200
    assert response.json == link | {"channelId": "c", "updatedAt": response.json["updatedAt"]}
    assert response.json["updatedAt"] > link["updatedAt"]
    assert await breakdown(any_api, video) == {"evidence": {"link": 1}, "channel": {"c": 1}, "campaign": {"b": 1}}
    cleared = {"channelId": None, "campaignId": None, "expiresAt": None, "url": "https://www.youtube.com/"}
    response = await any_api.request("PATCH", address, cleared)
    assert response.json == link | cleared | {"updatedAt": response.json["updatedAt"]}
    assert (await any_api.request("GET", address)).json == response.json
    shown = await any_api.counted(f"video/{video}")
    assert (shown["shareCount"], shown["breakdown"]["channel"]) == (1, {"none": 1})


async def test_a_patch_that_changes_nothing_writes_nothing(api: Api, video: str) -> None:
    link = await made(api, video, channelId="a")
    for patch in ({}, {"channelId": "a"}, {"campaignId": "none"}):
        assert (await api.request("PATCH", f"/share-links/{link['id']}", patch)).json == link
    assert [line["action"] for line in await api.audit_lines(f"video/{video}")] == ["link_created"]


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"url": None}, "url"),
        ({"url": "https://elsewhere.example/"}, "url"),
        ({"channelId": "a b"}, "channelId"),
        ({"campaignId": "c\n"}, "campaignId"),
        ({"expiresAt": "2027-01-01T00:00:00"}, "expiresAt"),
        ({"expiresAt": ""}, "expiresAt"),
        ({"contentId": "other"}, "contentId"),
        ({"deletedAt": None}, "deletedAt"),
        ([{"op": "remove", "path": "/channelId"}], "body"),
    ],
)
async def test_a_malformed_patch_names_the_field_and_changes_nothing(
    api: Api, video: str, patch: object, path: str
) -> None:
    link = await made(api, video)
    assert invalid_paths(await api.request("PATCH", f"/share-links/{link['id']}", patch)) == [path]
    assert (await api.request("GET", f"/share-links/{link['id']}")).json == link


# deleting


async def test_a_deleted_link_is_gone_and_counts_no_more(any_api: Api, video: str) -> None:
    link = await made(any_api, video)
    address = f"/share-links/{link['id']}"
    response = await any_api.request("DELETE", address)
    assert (response.status, response.body) == (204, b"")
    for method, body in (("DELETE", b""), ("GET", b""), ("PATCH", {"channelId": "a"})):
        problem(await any_api.request(method, address, body), 404, "not-found")
    problem(await any_api.request("GET", f"/s/{link['code']}", user=None), 410, "gone")
    assert (await any_api.counted(f"video/{video}"))["shareCount"] == 0
    assert [line["action"] for line in await any_api.audit_lines(f"video/{video}")] == ["link_created", "link_deleted"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_other_peoples_links_are_not_there(api: Api, video: str, method: str) -> None:
    link = await made(api, video)
    body: Any = {"channelId": "mine"} if method == "PATCH" else b""
    for address in (f"/share-links/{link['id']}", "/share-links/no-uuid", f"/share-links/{UUID(int=7)}"):
        problem(await api.request(method, address, body, user="bert"), 404, "not-found")
    assert (await api.request("GET", f"/share-links/{link['id']}")).json == link
    response = await api.request(method, f"/share-links/{link['id']}", body, user="root", scope="admin shares")
    assert response.status in (200, 204)


async def test_every_short_url_begins_with_the_public_url(make_api: MakeApi, video: str) -> None:
    async with make_api(PUBLIC_URL="https://sh.example/") as api:
        link = await made(api, video)
        assert link["shortUrl"] == f"https://sh.example/s/{link['code']}"
