"""Posting over HTTP, from the user's account on a (fake) Mastodon server: what the API answers, and what is there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.fakes.api_server import Ending, Fault
from tests.fakes.mastodon import FakeMastodon
from tests.web.api import Api, eventually, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
PUBLIC_URL = "https://shares.example"
COOKIE = "__Host-sharetally-connect"


@pytest.fixture
async def mastodon() -> AsyncIterator[FakeMastodon]:
    fake = FakeMastodon()
    async with fake.serving():
        yield fake


@pytest.fixture
async def api(mastodon: FakeMastodon, make_api: MakeApi) -> AsyncIterator[Api]:
    async with make_api(**posting_settings(mastodon)) as found:
        yield found


def posting_settings(mastodon: FakeMastodon) -> dict[str, str]:
    """What the service needs to post to this server."""
    return {
        "PUBLIC_URL": PUBLIC_URL,
        "CONTENT_URLS": '{"video": "https://shop.example/videos/{contentId}"}',
        "LINK_HOSTS": "shop.example",
        "SHARE_PLATFORMS": "mastodon,twitter",
        "POST_PLATFORMS": "mastodon",
        "POST_PRIVATE_SERVERS": mastodon.url,
    }


async def connect(api: Api, mastodon: FakeMastodon, user: str = "anna") -> str:
    """The user names the server, agrees there and comes back; the id of the account."""
    begun = await api.request("POST", "/accounts/mastodon/connect", {"instance": mastodon.url}, user=user)
    assert begun.status == 200, begun
    cookie = re.match(rf"{COOKIE}=([^;]+)", begun.headers["set-cookie"])
    assert cookie is not None
    sent = mastodon.agree(begun.json["authorizeUrl"])
    headers = {"cookie": f"{COOKIE}={cookie[1]}"}
    page = await api.request("GET", f"/oauth/mastodon/callback?{urlencode(sent)}", user=None, headers=headers)
    assert page.status == 200, page
    (account,) = (await api.request("GET", "/accounts", user=user)).json["items"]
    return str(account["id"])


async def post(api: Api, video: str = "abc", **fields: Any) -> Any:
    body = {"platforms": ["mastodon"], "mode": "server_post"} | fields
    return await api.request("POST", f"/videos/{video}/share", body)


async def posts(api: Api, status: str = "", **how: Any) -> list[Any]:
    listed = await api.request("GET", f"/posts?status={status}" if status else "/posts", **how)
    assert listed.status == 200, listed
    return list(listed.json["items"])


async def finished(api: Api, status: str) -> Any:
    """The newest post, once it has this status."""

    async def look() -> Any:
        found = await posts(api)
        return found[0] if found and found[0]["status"] == status else None

    return await eventually(look)


async def my_status(api: Api, video: str = "abc") -> Any:
    (mastodon, _) = (await api.request("GET", f"/videos/{video}/share-status")).json["platforms"]
    return mastodon


async def test_a_post_appears_with_its_link_and_counts_once(api: Api, mastodon: FakeMastodon) -> None:
    account = await connect(api, mastodon)
    response = await post(api, text="Look: {url} !")
    assert response.status == 202
    (result,) = response.json["results"]
    assert (result["platform"], result["status"], result["alreadyShared"]) == ("mastodon", "pending", False)
    assert (result["post"]["accountId"], result["post"]["status"]) == (account, "pending")
    done = await finished(api, "success")
    (text,) = mastodon.texts()
    assert re.fullmatch(rf"Look: {PUBLIC_URL}/s/[0-9A-Za-z]{{22}} !", text), text
    assert done["shortUrl"] in text
    count = await api.counted("video/abc")
    assert (count["shareCount"], count["breakdown"]["evidence"]) == (1, {"posted": 1})
    mine = await my_status(api)
    assert (mine["myStatus"], mine["sharedByMe"], mine["myPost"]["url"]) == ("success", True, done["url"])
    followed = await api.request("GET", done["shortUrl"].removeprefix(PUBLIC_URL), user=None)
    assert (followed.status, followed.headers["location"]) == (302, "https://shop.example/videos/abc")
    assert [line["action"] for line in await api.audit_lines("video/abc")] == ["requested", "posted"]


async def test_a_declared_share_keeps_counting_and_moves_to_posted(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await api.share("abc", "mastodon")
    assert (await api.counted("video/abc"))["breakdown"]["evidence"] == {"declared": 1}
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    response = await post(api, scheduledAt=later)
    (result,) = response.json["results"]
    assert (response.status, result["status"], result["alreadyShared"]) == (202, "success", True)
    assert (await api.counted("video/abc"))["shareCount"] == 1
    assert (await my_status(api))["myPost"]["status"] == "pending"
    assert (await api.request("DELETE", "/videos/abc/share/mastodon")).status == 204
    assert ((await posts(api))[0]["status"], mastodon.texts()) == ("cancelled", [])
    assert (await api.counted("video/abc"))["shareCount"] == 0
    await api.share("abc", "mastodon")
    await post(api)
    await finished(api, "success")
    count = await api.counted("video/abc")
    assert (count["shareCount"], count["breakdown"]["evidence"]) == (1, {"posted": 1})


async def test_a_repeated_request_posts_nothing_new_and_force_does(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await post(api)
    await finished(api, "success")
    again = await post(api)
    assert (again.status, again.json["results"][0]["alreadyShared"]) == (200, True)
    assert len(mastodon.texts()) == 1
    await post(api, force=True)

    async def twice() -> bool:
        return [each["status"] for each in await posts(api)] == ["success", "success"]

    await eventually(twice)
    assert (len(mastodon.texts()), (await api.counted("video/abc"))["shareCount"]) == (2, 1)


async def test_a_pending_post_is_withdrawn_before_it_is_sent(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await post(api, scheduledAt=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert (await api.request("DELETE", "/videos/abc/share/mastodon")).status == 204
    assert (await my_status(api))["myStatus"] == "withdrawn"
    assert ([each["status"] for each in await posts(api)], mastodon.texts()) == (["cancelled"], [])
    assert (await api.counted("video/abc"))["shareCount"] == 0


async def test_withdrawing_can_delete_the_post(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await post(api)
    await finished(api, "success")
    assert (await api.request("DELETE", "/videos/abc/share/mastodon?deletePost=true")).status == 204
    await finished(api, "cancelled")
    assert (mastodon.texts(), (await api.counted("video/abc"))["shareCount"]) == ([], 0)


async def test_platforms_that_cannot_be_posted_to_are_recorded(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    response = await post(api, platforms=["twitter", "mastodon"])
    assert response.status == 202
    assert [(each["platform"], each["status"]) for each in response.json["results"]] == [
        ("twitter", "success"),
        ("mastodon", "pending"),
    ]
    await finished(api, "success")
    assert (await api.counted("video/abc"))["breakdown"]["evidence"] == {"declared": 1, "posted": 1}
    listed = (await api.request("GET", "/platforms", user=None)).json["platforms"]
    assert {each["platform"]: each["server_post"] for each in listed} == {"mastodon": True, "twitter": False}
    rule = {"unit": "graphemes", "limit": 500, "linkLength": 23, "urlLength": 23}
    assert {each["platform"]: each.get("textRule") for each in listed} == {"mastodon": rule, "twitter": None}


async def test_platforms_without_a_length_for_links_name_that_of_the_short_link(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_URL=PUBLIC_URL, SHARE_PLATFORMS="bluesky", POST_PLATFORMS="bluesky") as api:
        (bluesky,) = (await api.request("GET", "/platforms", user=None)).json["platforms"]
    length = len(f"{PUBLIC_URL}/s/02xBqYkqCkFX5pD8Yk0Vb1")
    assert bluesky["textRule"] == {"unit": "graphemes", "limit": 300, "linkLength": length, "urlLength": None}


async def test_without_an_account_nothing_is_written(api: Api) -> None:
    response = await post(api)
    assert (response.status, invalid_paths(response)) == (400, ["platforms"])
    assert "connect" in str(response.json["invalid"])
    assert (await posts(api), "myStatus" in await my_status(api)) == ([], False)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"text": "x" * 600}, "text"),
        ({"platforms": ["twitter"]}, "mode"),
        ({"accounts": {"mastodon": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f"}}, "accounts.mastodon"),
        ({"accounts": {"twitter": "0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f"}}, "accounts.twitter"),
        ({"scheduledAt": "2020-01-01T00:00:00Z"}, "scheduledAt"),
    ],
)
async def test_what_could_never_be_posted_is_refused(
    api: Api, mastodon: FakeMastodon, fields: dict[str, Any], path: str
) -> None:
    await connect(api, mastodon)
    response = await post(api, **fields)
    assert (response.status, invalid_paths(response)) == (400, [path])
    assert (await posts(api), mastodon.texts()) == ([], [])


@pytest.mark.parametrize(("limit", "length", "is_accepted"), [(999, 900, True), (999, 999, False), (99, 90, False)])
async def test_the_limit_of_the_accounts_own_server_decides(
    api: Api, mastodon: FakeMastodon, limit: int, length: int, is_accepted: bool
) -> None:
    await connect(api, mastodon)
    mastodon.max_characters = limit
    response = await post(api, text="x" * length)
    if not is_accepted:
        assert invalid_paths(response) == ["text"]
        assert str(limit) in response.json["invalid"][0]["reason"]
        assert await posts(api) == []
        return
    assert response.status == 202
    await finished(api, "success")
    assert len(mastodon.texts()[0]) > length


async def test_a_server_that_does_not_tell_its_limit_leaves_that_for_later(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    mastodon.fail("instance", Fault(carried_out=False, ending=Ending.RESET))
    assert (await post(api, text="x" * 600)).status == 202
    failed = await finished(api, "failed")
    assert failed["error"]["code"] == "text-too-long"


async def test_what_belongs_to_posting_is_refused_where_nothing_is_posted(api: Api) -> None:
    body = {"platforms": ["twitter"], "scheduledAt": "2090-01-01T00:00:00Z"}
    problem(await api.request("POST", "/videos/abc/share", body), 409, "conflict")
    assert await api.exact_count("video/abc") == 0


async def test_posts_are_their_users_own_and_operators_see_all(api: Api, mastodon: FakeMastodon) -> None:
    await connect(api, mastodon)
    await post(api)
    done = await finished(api, "success")
    assert await posts(api, user="bert") == []
    assert [each["id"] for each in await posts(api, user="olga", scope="admin")] == [done["id"]]
    assert (len(await posts(api, "success")), await posts(api, "failed")) == (1, [])
    decided = await api.request("POST", f"/posts/{done['recordId']}/decide", {"posted": True})
    problem(decided, 409, "conflict")
    foreign = await api.request("POST", f"/posts/{done['recordId']}/decide", {"posted": True}, user="bert")
    problem(foreign, 404, "not-found")
