"""Lists of share links: one's own or, for admins, everybody's; filtered, page by page."""

from __future__ import annotations

import pytest

from tests.web.api import Api, invalid_paths, problem
from tests.web.test_api_links import made

pytestmark = pytest.mark.anyio


async def test_a_list_has_ones_own_newest_first(any_api: Api, video: str) -> None:
    mine = [await made(any_api, video, user=video, campaignId=each) for each in ("a", "b", "b")]
    await made(any_api, video)
    response = await any_api.request("GET", "/share-links", user=video)
    assert response.json == {"items": mine[::-1], "next": None}
    await any_api.request("DELETE", f"/share-links/{mine[2]['id']}", user=video)
    for query, found in (
        ("campaignId=b", [mine[1]]),
        ("campaignId=none", []),
        (f"contentType=video&contentId={video}", [mine[1], mine[0]]),
        ("contentType=article", []),
        (f"contentId={video.upper()}", []),
        (f"userId={video}", [mine[1], mine[0]]),
    ):
        response = await any_api.request("GET", f"/share-links?{query}", user=video)
        assert response.json == {"items": found, "next": None}, query


async def test_other_peoples_lists_are_for_admins(api: Api, video: str) -> None:
    link = await made(api, video)
    problem(await api.request("GET", "/share-links?userId=anna", user="bert"), 403, "forbidden")
    assert (await api.request("GET", "/share-links", user="bert")).json["items"] == []
    for query in ("", "?userId=anna"):
        response = await api.request("GET", f"/share-links{query}", user="root", scope="admin")
        assert response.json["items"] == [link]


async def test_pages_follow_each_other_without_gap_or_repeat(any_api: Api, video: str) -> None:
    mine = [(await made(any_api, video, user=video))["id"] for _ in range(5)]
    found, query = list[str](), "?pageSize=2"
    sizes = []
    while query:
        page = (await any_api.request("GET", f"/share-links{query}", user=video)).json
        sizes.append(len(page["items"]))
        found += [each["id"] for each in page["items"]]
        query = f"?pageSize=2&startingAfter={page['next']}" if page["next"] else ""
    assert (found, sizes) == (mine[::-1], [2, 2, 1])


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("pageSize=0", "pageSize"),
        ("pageSize=201", "pageSize"),
        ("pageSize=-1", "pageSize"),
        ("pageSize=5.0", "pageSize"),
        ("pageSize=ten", "pageSize"),
        ("pageSize=", "pageSize"),
        ("pageSize=99999999999999999999", "pageSize"),
        ("startingAfter=first", "startingAfter"),
        ("startingAfter=", "startingAfter"),
        ("contentType=Video", "contentType"),
        ("contentId=%00", "contentId"),
        ("userId=%0A", "userId"),
        ("campaignId=a%20b", "campaignId"),
        ("campaign=a", "campaign"),
        ("pageSize=1&pageSize=2", "pageSize"),
        ("contentId=%FF", "query"),
        ("contentId=\xe9", "query"),
    ],
)
async def test_a_malformed_query_names_the_parameter(readonly_api: Api, query: str, path: str) -> None:
    assert invalid_paths(await readonly_api.request("GET", f"/share-links?{query}")) == [path]
