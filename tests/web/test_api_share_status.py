"""Share status, withdrawing and retrying, also from the states that only posting will reach."""

from __future__ import annotations

from typing import Any

import pytest

from sharetally.domain.share import Status
from tests.web.api import Api, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio


async def status(api: Api, video: str, **how: Any) -> dict[str, Any]:
    """The share status by platform, after a look at its order."""
    response = await api.request("GET", f"/videos/{video}/share-status", **how)
    assert response.status == 200, response
    assert set(response.json) == {"video_id", "platforms"}
    assert response.json["video_id"] == video
    order = [each["platform"] for each in response.json["platforms"]]
    assert order == ["twitter", "whatsapp", "facebook", "linkedin"]
    return {each["platform"]: each for each in response.json["platforms"]}


async def test_nothing_shared_yet(api: Api, video: str) -> None:
    assert (await status(api, video))["twitter"] == {
        "platform": "twitter",
        "shared": False,
        "shareCount": 0,
        "sharedByMe": False,
    }


async def test_shared_by_anyone_and_by_me(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", "facebook")
    await any_api.share(video, "twitter", user="bert")
    found = await status(any_api, video, user="bert")
    assert found["twitter"].pop("lastSharedAt").endswith("Z")
    assert found["twitter"] == {
        "platform": "twitter",
        "shared": True,
        "shareCount": 2,
        "sharedByMe": True,
        "myStatus": "success",
    }
    assert found["facebook"]["shared"]
    assert not found["facebook"]["sharedByMe"]
    assert "myStatus" not in found["facebook"]
    assert not found["whatsapp"]["shared"]
    assert "lastSharedAt" not in found["whatsapp"]


async def test_it_follows_the_configured_order_and_omits_platforms_not_allowed(make_api: MakeApi, video: str) -> None:
    async with make_api() as api:
        await api.share(video)
    async with make_api(SHARE_PLATFORMS="linkedin,copy,x") as api:
        response = await api.request("GET", f"/content/video/{video}/share-status")
        assert (response.json["contentType"], response.json["contentId"]) == ("video", video)
        shown = [(each["platform"], each["shared"]) for each in response.json["platforms"]]
        assert shown == [("linkedin", True), ("copy", False), ("twitter", True)]


async def test_copy_and_native_are_listed_last_once_shared(any_api: Api, video: str) -> None:
    async def shown(user: str) -> list[tuple[str, int, bool]]:
        response = await any_api.request("GET", f"/videos/{video}/share-status", user=user)
        return [(each["platform"], each["shareCount"], each["sharedByMe"]) for each in response.json["platforms"][4:]]

    await any_api.share(video, "copy")
    assert await shown("anna") == [("copy", 1, True)]
    await any_api.share(video, "native", user="bert")
    assert await shown("bert") == [("native", 1, True), ("copy", 1, False)]
    assert (await any_api.request("DELETE", f"/videos/{video}/share/copy")).status == 204
    assert await shown("bert") == [("native", 1, True)]


async def test_links_and_corrections_are_not_listed_as_records(api: Api, video: str) -> None:
    await api.request("POST", "/share-links", {"contentType": "video", "contentId": video, "channelId": "twitter"})
    correction = {"operation": "increment", "reason": "import", "channelId": "twitter"}
    await api.request("POST", f"/share-links/count/video/{video}/adjustments", correction, scope="admin")
    assert await api.exact_count(f"video/{video}") == 2
    assert not (await status(api, video))["twitter"]["shared"]


@pytest.mark.parametrize("state", [Status.PENDING, Status.SENDING, Status.FAILED, Status.UNKNOWN, Status.WITHDRAWN])
async def test_a_failed_status_is_shown_and_is_not_a_share(api: Api, video: str, state: Status) -> None:
    await api.seed(video, state)
    assert (await status(api, video))["twitter"] == {
        "platform": "twitter",
        "shared": False,
        "shareCount": 0,
        "sharedByMe": False,
        "myStatus": state.value,
    }
    assert "myStatus" not in (await status(api, video, user="bert"))["twitter"]


async def test_my_error_explains_the_failure(api: Api, video: str) -> None:
    await api.seed(video, Status.FAILED, error_code="rejected", error_message="The platform said no.")
    found = (await status(api, video))["twitter"]
    assert found["myError"] == {"code": "rejected", "message": "The platform said no."}


# withdrawing


async def test_a_withdrawn_share_counts_no_more_and_can_be_revived(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", "facebook")
    response = await any_api.request("DELETE", f"/videos/{video}/share/twitter")
    assert (response.status, response.body) == (204, b"")
    assert "content-type" not in response.headers
    found = (await status(any_api, video))["twitter"]
    assert found == {
        "platform": "twitter",
        "shared": False,
        "shareCount": 0,
        "sharedByMe": False,
        "myStatus": "withdrawn",
    }
    assert await any_api.exact_count(f"video/{video}") == 1
    again = await any_api.share(video, "twitter")
    assert again.json["results"][0]["alreadyShared"] is False
    assert (await any_api.counted(f"video/{video}"))["shareCount"] == 2
    actions = [line["action"] for line in await any_api.audit_lines(f"video/{video}") if line["platform"] == "twitter"]
    assert actions == ["shared", "withdrawn", "revived"]


async def test_last_shared_at_is_shown_while_any_share_is_live(api: Api, video: str) -> None:
    await api.share(video, "twitter")
    await api.share(video, "twitter", user="bert")
    await api.request("DELETE", f"/videos/{video}/share/twitter")
    assert "lastSharedAt" in (await status(api, video))["twitter"]
    await api.request("DELETE", f"/videos/{video}/share/twitter", user="bert")
    assert "lastSharedAt" not in (await status(api, video))["twitter"]


async def test_withdrawing_twice_or_another_users_share_is_404(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter")
    address = f"/content/video/{video}/share/X"
    problem(await any_api.request("DELETE", address, user="bert"), 404, "not-found")
    assert (await any_api.request("DELETE", address)).status == 204
    problem(await any_api.request("DELETE", address), 404, "not-found")
    assert await any_api.exact_count(f"video/{video}") == 0


@pytest.mark.parametrize("state", [Status.PENDING, Status.SENDING, Status.UNKNOWN])
async def test_a_post_under_way_can_be_withdrawn_and_counts_nothing(api: Api, video: str, state: Status) -> None:
    await api.seed(video, state)
    assert (await api.request("DELETE", f"/videos/{video}/share/twitter")).status == 204
    assert await api.exact_count(f"video/{video}") == 0
    problem(await api.request("DELETE", f"/videos/{video}/share/twitter"), 404, "not-found")


@pytest.mark.parametrize("state", [Status.FAILED, Status.WITHDRAWN])
async def test_what_is_not_shared_cannot_be_withdrawn(api: Api, video: str, state: Status) -> None:
    await api.seed(video, state)
    problem(await api.request("DELETE", f"/videos/{video}/share/twitter"), 404, "not-found")


async def test_a_share_on_a_platform_no_longer_allowed_can_be_withdrawn(make_api: MakeApi, video: str) -> None:
    async with make_api() as api:
        await api.share(video, "facebook")
    async with make_api(SHARE_PLATFORMS="twitter") as api:
        assert (await api.request("DELETE", f"/videos/{video}/share/facebook")).status == 204
        assert await api.exact_count(f"video/{video}") == 0


# retrying


@pytest.mark.parametrize("state", [Status.FAILED, Status.UNKNOWN])
async def test_a_failed_share_is_retried(any_api: Api, video: str, state: Status) -> None:
    await any_api.seed(video, state, attempt_count=2, error_code="timeout", error_message="Nobody answered.")
    response = await any_api.request("POST", f"/videos/{video}/share/twitter/retry")
    waits = "unknown" if state is Status.UNKNOWN else "pending"  # what may be there is looked up first
    assert (response.status, response.json) == (202, {"platform": "twitter", "status": waits, "attemptCount": 3})
    assert (await status(any_api, video))["twitter"]["myStatus"] in (waits, "sending", "failed")
    assert (await any_api.audit_lines(f"video/{video}"))[0]["action"] == "retried"


@pytest.mark.parametrize("state", [Status.PENDING, Status.SENDING, Status.SUCCESS, Status.WITHDRAWN])
async def test_a_share_that_did_not_fail_cannot_be_retried(api: Api, video: str, state: Status) -> None:
    await api.seed(video, state)
    body = problem(await api.request("POST", f"/videos/{video}/share/twitter/retry"), 409, "conflict")
    assert state.value in body["detail"]


async def test_without_a_record_a_retry_is_not_found(api: Api, video: str) -> None:
    await api.seed(video, Status.FAILED)
    for platform, user in (("facebook", "anna"), ("twitter", "bert"), ("t" * 33, "anna")):
        response = await api.request("POST", f"/content/video/{video}/share/{platform}/retry", user=user)
        problem(response, 404, "not-found")


@pytest.mark.parametrize("path", ["share-status", "share", "share/twitter", "share/twitter/retry"])
async def test_an_id_that_is_none_is_named(readonly_api: Api, path: str) -> None:
    method = {"share-status": "GET", "share/twitter": "DELETE"}.get(path, "POST")
    body = {} if path == "share" else b""
    assert invalid_paths(await readonly_api.request(method, f"/videos/{'v' * 129}/{path}", body)) == ["videoId"]
    assert invalid_paths(await readonly_api.request(method, f"/content/Video/{'v' * 129}/{path}", body)) == [
        "contentType",
        "contentId",
    ]
