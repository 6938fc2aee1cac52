"""The audit over HTTP: one's own or all, each filter, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from sharetally.domain.share import Status
from tests.web.api import Api, invalid_paths, problem

pytestmark = pytest.mark.anyio
FIELDS = {
    *("id", "at", "userId", "actor", "action", "platform", "contentType", "contentId"),
    *("status", "error", "requestId", "recordId"),
}


async def lines(api: Api, query: str = "", **how: Any) -> list[dict[str, Any]]:
    """The audit's lines, newest first, as the auditor sees them unless another caller is named."""
    response = await api.request("GET", f"/audit?{query}", **{"scope": "audit", **how})
    assert response.status == 200, response
    found: list[dict[str, Any]] = response.json["items"]
    return found


async def test_an_entry_contains_actor_action_and_outcome(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", headers={"x-request-id": f"r-{video}"})
    (line,) = await lines(any_api, f"contentId={video}")
    assert set(line) == FIELDS
    assert abs((datetime.fromisoformat(line["at"]) - datetime.now(UTC)).total_seconds()) < 60
    assert line["at"].endswith("Z")
    unknown = {name: line[name] for name in ("id", "at", "recordId")}
    assert line == unknown | {
        "userId": "anna",
        "actor": "anna",
        "action": "shared",
        "platform": "twitter",
        "contentType": "video",
        "contentId": video,
        "status": "success",
        "error": None,
        "requestId": f"r-{video}",
    }


async def test_a_server_that_acts_for_a_user_is_the_actor(any_api: Api, video: str) -> None:
    key = await any_api.key(f"shop-{video}", "shares", "act-as")
    await any_api.share(video, "twitter", user=None, headers={"x-api-key": key, "x-user-id": "carla"})
    (line,) = await lines(any_api, f"contentId={video}")
    assert (line["userId"], line["actor"]) == ("carla", f"key:shop-{video}")


async def test_links_and_corrections_have_neither_platform_nor_status(api: Api, video: str) -> None:
    link = (await api.request("POST", "/share-links", {"contentType": "video", "contentId": video})).json
    correction = {"operation": "increment", "reason": "import"}
    await api.request("POST", f"/share-links/count/video/{video}/adjustments", correction, scope="admin", user="root")
    adjusted, created = await lines(api, f"contentId={video}")
    assert [adjusted[name] for name in ("action", "userId", "platform", "status")] == ["adjusted", "root", None, None]
    assert [created[name] for name in ("action", "userId", "platform", "status")] == [
        "link_created",
        "anna",
        None,
        None,
    ]
    assert created["recordId"] == link["id"]


async def test_an_entry_contains_the_reason_of_a_failed_share(api: Api, video: str) -> None:
    await api.seed(video, Status.FAILED, error_code="rejected", error_message="no")
    await api.request("POST", f"/videos/{video}/share/twitter/retry")
    retried = (await lines(api, f"contentId={video}"))[-1]
    assert (retried["action"], retried["status"], retried["error"]) == ("retried", "pending", None)


async def test_everybody_sees_their_own(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", user=f"anna-{video}")
    await any_api.share(video, "twitter", user=f"bert-{video}")
    mine = await lines(any_api, f"contentId={video}", user=f"anna-{video}", scope="shares")
    assert [line["userId"] for line in mine] == [f"anna-{video}"]
    assert mine == await lines(any_api, f"userId=anna-{video}", user=f"anna-{video}", scope="shares")
    assert [line["userId"] for line in await lines(any_api, f"contentId={video}")] == [f"bert-{video}", f"anna-{video}"]
    response = await any_api.request("GET", f"/audit?userId=bert-{video}", user=f"anna-{video}")
    problem(response, 403, "forbidden")
    problem(await any_api.request("GET", "/audit", user=None), 401, "unauthenticated")


async def test_each_filter_narrows(any_api: Api, video: str) -> None:
    user = f"user {video}"
    await any_api.share(video, "twitter", "facebook", user=user, headers={"x-request-id": f"one-{video}"})
    await any_api.request("DELETE", f"/videos/{video}/share/twitter", user=user)
    await any_api.request("POST", f"/content/article/{video}/share", {"platforms": ["x"]}, user=user)
    everything = await lines(any_api, f"userId={quote(user)}")
    assert len(everything) == 4
    article, withdrawn, *shared = everything
    for query, expected in (
        ("contentType=article", [article]),
        (f"contentId={video}", everything),
        (f"contentId={video.upper()}", []),
        ("platform=facebook", [line for line in shared if line["platform"] == "facebook"]),
        ("platform=%20X", [line for line in everything if line["platform"] == "twitter"]),
        ("status=withdrawn", [withdrawn]),
        ("action=shared", [article, *shared]),
        (f"requestId=one-{video}", shared),
        (f"from={quote(withdrawn['at'])}", [article, withdrawn]),
        (f"to={quote(withdrawn['at'])}", shared),
        (f"from={quote(withdrawn['at'])}&to={quote(article['at'])}", [withdrawn]),
        ("contentType=video&platform=twitter&status=success", [x for x in shared if x["platform"] == "twitter"]),
    ):
        assert await lines(any_api, f"userId={quote(user)}&{query}") == expected, query


async def test_times_with_an_offset_are_understood(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter")
    (line,) = await lines(any_api, f"contentId={video}")
    at = datetime.fromisoformat(line["at"])
    for minutes in (-90, 345):
        there = at.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
        assert await lines(any_api, f"contentId={video}&from={quote(there)}") == [line]
        assert await lines(any_api, f"contentId={video}&to={quote(there)}") == []


async def test_pages_follow_each_other_without_gap_or_repeat(any_api: Api, video: str) -> None:
    await any_api.share(video)
    for platform in ("twitter", "linkedin"):
        await any_api.request("DELETE", f"/videos/{video}/share/{platform}")
    found, sizes, query = list[str](), list[int](), "pageSize=4"
    while query:
        page = (await any_api.request("GET", f"/audit?contentId={video}&{query}")).json
        found += [line["id"] for line in page["items"]]
        sizes.append(len(page["items"]))
        query = f"pageSize=4&startingAfter={page['next']}" if page["next"] else ""
    assert sizes == [4, 2]
    assert found == [line["id"] for line in await lines(any_api, f"contentId={video}")]
    assert found == sorted(set(found), reverse=True)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("status=shared", "status"),
        ("from=yesterday", "from"),
        ("from=1600000000", "from"),
        ("to=2027-01-01T00:00:00", "to"),
        ("to=9999-12-31T23:59:59-14:00", "to"),
        ("from=0001-01-01T00:00:00%2B14:00", "from"),
        ("from=0001-01-01T00:00:00Z", "from"),
        ("from=2027-01-01T00:00:00+00:00", "from"),  # a + that is not encoded is a space
        ("contentId=%00", "contentId"),
        ("userId=%00", "userId"),
        ("requestId=%1f", "requestId"),
        ("action=", "action"),
        ("platform=", "platform"),
        ("start=2027-01-01T00:00:00Z", "start"),
        ("pageSize=0", "pageSize"),
        ("user=anna", "user"),
        ("status=success&status=success", "status"),
    ],
)
async def test_a_malformed_query_names_the_parameter(any_api: Api, query: str, path: str) -> None:
    assert invalid_paths(await any_api.request("GET", f"/audit?{query}", scope="audit")) == [path]
