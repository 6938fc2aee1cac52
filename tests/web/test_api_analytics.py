"""Analytics and content items over HTTP: permissions, parameters, and agreement with the counts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from sharetally.domain.count import CountChange
from tests.contracts.database_rows import VIDEO
from tests.web.api import Api, invalid_paths, problem

pytestmark = pytest.mark.anyio


async def get_analytics(api: Api, target: str) -> Any:
    """The answer to a caller with the scope for analytics."""
    response = await api.request("GET", target, scope="analytics")
    assert (response.status, response.headers["cache-control"]) == (200, "no-store"), response
    return response.json


async def seed_random_shares(api: Api, video: str, rng: Random) -> None:
    """Some of everything that moves a count."""
    links = list[str]()
    for number in range(40):
        user, platform = f"u{rng.randrange(4)}", rng.choice(("twitter", "facebook"))
        match rng.randrange(6):
            case 0 | 1:
                await api.share(video, platform, user=user)
            case 2:
                await api.request("DELETE", f"/videos/{video}/share/{platform}", user=user)
            case 3:
                link = {"contentType": "video", "contentId": video, "channelId": rng.choice((None, "news"))}
                links.append((await api.request("POST", "/share-links", link)).json["id"])
            case 4 if links:
                await api.request("PATCH", f"/share-links/{links[-1]}", {"channelId": rng.choice((None, "news", "tv"))})
            case 5 if links and number % 2:
                await api.request("DELETE", f"/share-links/{links.pop()}")
            case _:
                body = {"operation": rng.choice(("increment", "decrement")), "amount": 3, "reason": "r"}
                target = f"/share-links/count/video/{video}/adjustments"
                await api.request("POST", target, body, scope="admin")


async def test_summed_over_all_time_it_is_the_count(any_api: Api, video: str) -> None:
    await seed_random_shares(any_api, video, Random(7))
    await any_api.request("POST", f"/share-links/count/video/{video}/adjustments",
                      {"operation": "increment", "amount": 50, "reason": "above 0"}, scope="admin")  # fmt: skip
    count = await any_api.counted(f"video/{video}")
    which = f"contentType=video&contentId={video}&timezone=Asia/Kathmandu"
    for group in ("channel", "evidence"):
        for bucket in ("15m", "hour", "day"):
            found = await get_analytics(any_api, f"/analytics/shares?{which}&groupBy={group}&bucket={bucket}")
            assert found["total"]["shares"] == count["shareCount"]
            left = {each["name"]: each["shares"] for each in found["series"] if each["shares"]}
            assert left == count["breakdown"][group]
            for each in found["series"]:
                points = Counter({name: sum(p[name] for p in each["points"]) for name in ("made", "withdrawn")})
                assert points == Counter({name: each[name] for name in ("made", "withdrawn")})
    whole = await get_analytics(any_api, f"/analytics/shares?{which}")
    assert [each["name"] for each in whole["series"]] == ["all"]
    top = await get_analytics(any_api, "/analytics/top?from=1970-01-01T00:00:00Z&contentType=video&limit=100")
    (mine,) = [each for each in top["items"] if each["contentId"] == video]
    assert mine["shares"] == mine["shareCount"] == count["shareCount"]


async def test_every_bucket_is_there_with_its_offset(api: Api) -> None:
    async with api.database.transaction() as tx:
        at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two, the first time
        again = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
        rollups = {("twitter", "declared", at): [3, 0], ("twitter", "declared", again): [2, 1]}
        await tx.move({VIDEO: CountChange(delta=4, rollups=rollups)})
    query = "from=2026-10-25T00:00:00%2B02:00&to=2026-10-26T00:00:00%2B01:00&timezone=Europe/Berlin"
    found = await get_analytics(api, f"/analytics/shares?{query}&bucket=hour")
    (series,) = found["series"]
    assert len(series["points"]) == 25
    assert series["points"][2] == {"at": "2026-10-25T02:00:00+02:00", "made": 3, "withdrawn": 0, "shares": 3}
    assert series["points"][3] == {"at": "2026-10-25T02:00:00+01:00", "made": 2, "withdrawn": 1, "shares": 1}
    assert sum(point["made"] for point in series["points"]) == 5
    day = await get_analytics(api, f"/analytics/shares?{query}&groupBy=contentType")
    assert (day["from"], day["to"]) == ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00")
    assert [each["at"] for each in day["series"][0]["points"]] == ["2026-10-25T00:00:00+02:00"]
    assert (day["groupBy"], day["series"][0]["name"], day["total"]) == (
        "contentType", "video", {"made": 5, "withdrawn": 1, "shares": 4}
    )  # fmt: skip


async def test_an_interval_ends_with_the_bucket_that_is(api: Api) -> None:
    now = datetime.now(ZoneInfo("Asia/Kolkata"))
    found = await get_analytics(api, "/analytics/shares?interval=7d&timezone=Asia/Kolkata")
    days = [datetime.fromisoformat(each["at"]) for each in found["series"][0]["points"]]
    assert len(days) == 7
    assert all((day.hour, day.minute) == (0, 0) and str(day.utcoffset()) == "5:30:00" for day in days)
    assert days[-1].date() in (now.date(), datetime.now(now.tzinfo).date())
    hours = await get_analytics(api, "/analytics/shares?interval=PT24H&bucket=hour&timezone=Asia/Kolkata")
    assert len(hours["series"][0]["points"]) == 24
    today = (await get_analytics(api, "/analytics/shares?interval=1d&bucket=15m"))["series"][0]["points"]
    assert today[0]["at"][11:] == "00:00:00Z"
    assert 1 <= len(today) <= 96
    ahead = "from=2026-03-29T00:00:00%2B01:00&interval=1d&timezone=Europe/Berlin"
    assert len((await get_analytics(api, f"/analytics/shares?{ahead}&bucket=hour"))["series"][0]["points"]) == 23


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("timezone=Mars/Olympus", "timezone"),
        ("timezone=", "timezone"),
        ("interval=7y", "interval"),
        ("interval=0d", "interval"),
        ("bucket=week", "bucket"),
        ("groupBy=campaign", "groupBy"),
        ("contentId=abc", "contentType"),
        ("contentType=video&contentId=a/b", "contentId"),
        ("channel=a%20b", "channel"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("from=1969-12-31T00:00:00Z", "from"),
        ("to=9999-12-31T00:00:00Z", "to"),
        ("from=9999-12-31T00:00:00Z", "from"),
        ("from=9990-01-01T00:00:00Z&interval=9999w", "bucket"),
        ("interval=30d&bucket=15m", "bucket"),
        ("from=1970-01-01T00:00:00Z", "bucket"),
        ("user=anna", "user"),
    ],
)
async def test_a_malformed_question_names_the_parameter(readonly_api: Api, query: str, path: str) -> None:
    assert invalid_paths(await readonly_api.request("GET", f"/analytics/shares?{query}", scope="analytics")) == [path]


async def test_an_invalid_choice_lists_the_valid_ones(readonly_api: Api) -> None:
    response = await readonly_api.request("GET", "/analytics/shares?groupBy=campaign", scope="analytics")
    assert problem(response, 400, "invalid-request")["invalid"] == [
        {"path": "groupBy", "reason": "must be one of channel, contentType, evidence"}
    ]


async def test_top_shows_the_described_details(any_api: Api, video: str) -> None:
    told = {"title": f"Song {video}", "image": "https://pictures.example/1.png"}
    put = await any_api.request("PUT", f"/content/video/{video}", told, scope="admin")
    assert put.status == 200, put
    await any_api.request("POST", f"/share-links/count/video/{video}/adjustments",
                      {"operation": "increment", "amount": 1_000_000, "reason": "r"}, scope="admin")  # fmt: skip
    await any_api.counted(f"video/{video}")
    first, *_ = (await get_analytics(any_api, "/analytics/top?interval=1d&limit=1&channel=none"))["items"]
    assert first == {
        "contentType": "video", "contentId": video, **told, "url": f"https://www.youtube.com/watch?v={video}",
        "made": 1_000_000, "withdrawn": 0, "shares": 1_000_000, "shareCount": 1_000_000,
    }  # fmt: skip
    assert invalid_paths(await any_api.request("GET", "/analytics/top?limit=0", scope="analytics")) == ["limit"]


async def test_a_described_content_item_can_be_read_and_found(any_api: Api, video: str) -> None:
    told = {"title": f"Look at {video}", "url": f"https://shop.example/{video}"}
    put = await any_api.request("PUT", f"/content/article/{video}", told, scope="admin")
    expected: dict[str, object] = {"contentType": "article", "contentId": video, "image": None, **told}
    expected |= {"urlSource": "own", "shareCount": 0}
    assert {**put.json, "updatedAt": None} == {**expected, "updatedAt": None}
    for scope in ("analytics", "audit", "admin"):
        assert (await any_api.request("GET", f"/content/article/{video}", scope=scope)).json == put.json
    for query in (f"look {video}", video, video[:-1]):
        found = await get_analytics(any_api, f"/content?query={quote(query)}&contentType=article")
        assert found == {"items": [put.json], "next": None}, query
    page = await get_analytics(any_api, "/content?pageSize=1")
    assert page["next"] in (None, f"{page['items'][0]['contentType']}:{page['items'][0]['contentId']}")
    assert (await any_api.request("PUT", f"/content/article/{video}", {}, scope="admin")).json["title"] is None
    assert (await get_analytics(any_api, f"/content?query=look%20{video}"))["items"] == []


async def test_a_described_url_and_one_from_the_settings_are_distinguished(any_api: Api, video: str) -> None:
    async def source() -> tuple[object, object]:
        (listed,) = (await get_analytics(any_api, f"/content?query={video}&contentType=video"))["items"]
        one = await get_analytics(any_api, f"/content/video/{video}")
        assert listed == one
        return one["urlSource"], one["url"]

    derived, own = f"https://www.youtube.com/watch?v={video}", "https://shop.example/film"
    for body, expected in (
        ({"title": "Film"}, ("settings", derived)),
        ({"url": own}, ("own", own)),
        ({"title": "Film", "url": derived}, ("own", derived)),
        ({"title": "Film", "url": None}, ("settings", derived)),
    ):
        put = await any_api.request("PUT", f"/content/video/{video}", body, scope="admin")
        assert (put.json["urlSource"], put.json["url"]) == expected
        assert await source() == expected


async def test_an_undescribed_content_item_has_only_its_id(api: Api) -> None:
    assert await get_analytics(api, "/content/song/never") == {
        "contentType": "song", "contentId": "never", "title": None, "image": None, "url": None,
        "urlSource": None, "shareCount": 0, "updatedAt": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"title": ""}, "title"),
        ({"title": "  "}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"image": "javascript:alert(1)"}, "image"),
        ({"url": "/relative"}, "url"),
        ({"url": "https://anna:secret@shop.example/"}, "url"),
        ({"url": "https://x.example/" + "x" * 2048}, "url"),
        ({"name": "x"}, "name"),
    ],
)
async def test_an_invalid_description_names_the_field(readonly_api: Api, body: dict[str, str], path: str) -> None:
    assert invalid_paths(await readonly_api.request("PUT", "/content/video/abc", body, scope="admin")) == [path]


@pytest.mark.parametrize("after", ["", "video", "video:", ":abc", "Video:abc", "video:a/b"])
async def test_an_invalid_page_cursor_is_refused(readonly_api: Api, after: str) -> None:
    response = await readonly_api.request("GET", f"/content?startingAfter={quote(after, safe='')}", scope="audit")
    assert response.status == 200 if not after else invalid_paths(response) == ["startingAfter"]


async def test_permissions(readonly_api: Api) -> None:
    for target in ("/analytics/shares", "/analytics/top"):
        problem(await readonly_api.request("GET", target, scope="shares audit admin"), 403, "forbidden")
        problem(await readonly_api.request("GET", target, user=None), 401, "unauthenticated")
    for target in ("/content", "/content/video/abc"):
        problem(await readonly_api.request("GET", target), 403, "forbidden")
    problem(
        await readonly_api.request("PUT", "/content/video/abc", {}, scope="analytics audit shares"), 403, "forbidden"
    )
