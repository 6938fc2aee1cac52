"""Sharing: what goes in, what comes out, what is written, and what is refused as a whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sharetally.domain.share import Status
from tests.web.api import Api, HttpResponse, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
DEFAULT = ["twitter", "whatsapp", "facebook", "linkedin"]


def names(response: HttpResponse) -> list[str]:
    assert response.status == 200, response
    return [each["platform"] for each in response.json["results"]]


async def test_the_requirement_documents_own_example(any_api: Api, video: str) -> None:
    await any_api.share(video, "whatsapp")
    response = await any_api.request(
        "POST", f"/videos/{video}/share", {"platforms": ["twitter", "whatsapp"], "mode": "track_only"}
    )
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert set(response.json) == {"video_id", "mode", "results"}
    assert (response.json["video_id"], response.json["mode"]) == (video, "track_only")
    twitter, whatsapp = response.json["results"]
    assert twitter.keys() == {"platform", "status", "alreadyShared", "evidence", "shareUrl"}
    assert twitter | {"shareUrl": ""} == {
        "platform": "twitter",
        "status": "success",
        "alreadyShared": False,
        "evidence": "declared",
        "shareUrl": "",
    }
    assert (whatsapp["platform"], whatsapp["alreadyShared"]) == ("whatsapp", True)


async def test_any_content_can_be_shared_and_a_video_is_content_of_type_video(api: Api, video: str) -> None:
    response = await api.request("POST", f"/content/article/{video}/share", {"platforms": ["twitter"]})
    assert response.json | {"results": []} == {
        "contentType": "article",
        "contentId": video,
        "mode": "track_only",
        "results": [],
    }
    await api.share(video, "twitter")
    again = await api.request("POST", f"/content/video/{video}/share", {"platforms": ["twitter"]})
    assert again.json["results"][0]["alreadyShared"] is True
    assert (await api.exact_count(f"video/{video}"), await api.exact_count(f"article/{video}")) == (1, 1)


async def test_without_platforms_it_is_all_that_are_allowed(api: Api, video: str) -> None:
    assert names(await api.request("POST", f"/videos/{video}/share", {})) == DEFAULT
    assert await api.exact_count(f"video/{video}") == 4


async def test_the_default_follows_the_setting_and_leaves_out_native_and_copy(make_api: MakeApi, video: str) -> None:
    async with make_api(SHARE_PLATFORMS="native,linkedin,copy,x") as api:
        assert names(await api.share(video)) == ["linkedin", "twitter"]
        assert names(await api.share(video, "copy", "native")) == ["copy", "native"]
    async with make_api(SHARE_PLATFORMS="native,copy") as api:
        assert invalid_paths(await api.share(video)) == ["platforms"]


async def test_copying_and_the_share_sheet_need_no_allowing(any_api: Api, video: str) -> None:
    response = await any_api.share(video, "copy", " Native", "twitter")
    assert (response.status, names(response)) == (200, ["copy", "native", "twitter"])
    assert response.json["results"][0]["shareUrl"] == response.json["results"][1]["shareUrl"]
    assert names(await any_api.request("POST", f"/videos/{video}/share", {})) == DEFAULT
    listed = (await any_api.request("GET", "/platforms", user=None)).json["platforms"]
    assert [each["platform"] for each in listed] == DEFAULT
    assert await any_api.exact_count(f"video/{video}") == 6


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (["linkedin", "facebook", "twitter"], ["linkedin", "facebook", "twitter"]),
        ([" Twitter ", "WHATSAPP"], ["twitter", "whatsapp"]),
        (["x"], ["twitter"]),
        ([" X", "facebook", "twitter", "Facebook"], ["twitter", "facebook"]),
    ],
)
async def test_names_are_normalised_and_deduplicated_in_the_requested_order(
    api: Api, video: str, asked: list[str], answered: list[str]
) -> None:
    assert names(await api.share(video, *asked)) == answered
    assert await api.exact_count(f"video/{video}") == len(answered)


@pytest.mark.parametrize(
    ("asked", "unsupported"),
    [
        (["twitter", "myspace", "facebook"], ["myspace"]),
        (["orkut", "MySpace"], ["orkut", "myspace"]),
        (["copy", "telegram"], ["telegram"]),
    ],
)
async def test_one_unknown_platform_rejects_all_and_writes_nothing(
    readonly_api: Api, video: str, asked: list[str], unsupported: list[str]
) -> None:
    body = problem(await readonly_api.share(video, *asked), 400, "unsupported-platforms")
    assert body["unsupported"] == unsupported
    assert body["supported"] == DEFAULT
    assert await readonly_api.audit_lines(f"video/{video}") == []
    assert await readonly_api.exact_count(f"video/{video}") == 0


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"platforms": []}, "platforms"),
        ({"platforms": None}, "platforms"),
        ({"platforms": "twitter"}, "platforms"),
        ({"platforms": ["twitter", 1]}, "platforms[1]"),
        ({"platforms": [""]}, "platforms[0]"),
        ({"platforms": ["t" * 33]}, "platforms[0]"),
        ({"platform": ["twitter"]}, "platform"),
        ({"mode": "server_post"}, "mode"),
        ({"mode": "later"}, "mode"),
        ({"mode": None}, "mode"),
        ({"force": "yes"}, "force"),
        ({"force": 1}, "force"),
        ({"text": "t" * 15_001}, "text"),
        ({"text": "nul \0"}, "text"),
        ({"url": "https://elsewhere.example/"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": ""}, "url"),
        ([], "body"),
        ("twitter", "body"),
        (None, "body"),
    ],
)
async def test_a_malformed_share_names_the_field_and_writes_nothing(
    readonly_api: Api, video: str, body: Any, path: str
) -> None:
    assert invalid_paths(await readonly_api.request("POST", f"/videos/{video}/share", body)) == [path]
    assert await readonly_api.audit_lines(f"video/{video}") == []


async def test_server_post_names_the_mode_until_posting_exists(readonly_api: Api, video: str) -> None:
    response = await readonly_api.request("POST", f"/videos/{video}/share", {"mode": "server_post"})
    assert "server_post" in problem(response, 400, "invalid-request")["invalid"][0]["reason"]


async def test_a_live_share_is_reported_and_not_changed(any_api: Api, video: str) -> None:
    first, second = await any_api.share(video, "twitter"), await any_api.share(video, "twitter")
    assert [each.json["results"][0]["alreadyShared"] for each in (first, second)] == [False, True]
    assert [line["action"] for line in await any_api.audit_lines(f"video/{video}")] == ["shared"]
    assert (await any_api.counted(f"video/{video}"))["shareCount"] == 1


async def test_force_shares_again_and_does_not_count_again(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter")
    before = await last_shared(any_api, video)
    response = await any_api.request("POST", f"/videos/{video}/share", {"platforms": ["twitter"], "force": True})
    assert response.json["results"][0]["alreadyShared"] is True
    assert await last_shared(any_api, video) > before
    assert [line["action"] for line in await any_api.audit_lines(f"video/{video}")] == ["shared", "reshared"]
    assert await any_api.exact_count(f"video/{video}") == 1


async def last_shared(api: Api, video: str) -> str:
    response = await api.request("GET", f"/videos/{video}/share-status")
    return str(response.json["platforms"][0]["lastSharedAt"])


async def test_of_identical_requests_at_once_exactly_one_is_the_first(any_api: Api, video: str) -> None:
    response = await asyncio.gather(*(any_api.share(video, "twitter") for _ in range(50)))
    assert sorted(each.json["results"][0]["alreadyShared"] for each in response) == [False] + [True] * 49
    assert await any_api.exact_count(f"video/{video}") == 1


@pytest.mark.parametrize("status", [Status.PENDING, Status.SENDING])
async def test_sharing_while_a_post_is_in_progress_is_answered_202(api: Api, video: str, status: Status) -> None:
    await api.seed(video, status)
    response = await api.share(video, "twitter", "facebook")
    assert response.status == 202
    assert [each["status"] for each in response.json["results"]] == [status.value, "success"]
    assert [each["evidence"] for each in response.json["results"]] == ["posted", "declared"]


async def test_a_posted_share_stays_posted(any_api: Api, video: str) -> None:
    await any_api.seed(video, Status.SUCCESS)
    result = (await any_api.share(video, "twitter")).json["results"][0]
    assert (result["status"], result["alreadyShared"], result["evidence"]) == ("success", True, "posted")


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN])
async def test_a_failed_share_can_be_declared(api: Api, video: str, status: Status) -> None:
    await api.seed(video, status)
    result = (await api.share(video, "twitter")).json["results"][0]
    assert (result["status"], result["alreadyShared"], result["evidence"]) == ("success", False, "declared")


async def test_allowed_platforms_list_their_capabilities(make_api: MakeApi) -> None:
    async with make_api(SHARE_PLATFORMS="copy,x") as api:
        response = await api.request("GET", "/platforms", user=None)
        assert response.json == {
            "platforms": [
                {"platform": "copy", "label": "Copy link", "intent": False, "server_post": False, "textLimit": None},
                {"platform": "twitter", "label": "X", "intent": True, "server_post": False, "textLimit": 280},
            ]
        }
