"""Counts: one or many, plain or exact, their breakdown, their caching, and their proof."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.web.api import Api, eventually, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio


async def correct(api: Api, content: str, lines: list[dict[str, Any]]) -> None:
    kind, name = content.split("/")
    named = [{"contentType": kind, "contentId": name, "reason": "import", **line} for line in lines]
    response = await api.request("POST", "/share-links/adjustments", {"adjustments": named}, scope="admin")
    assert response.status == 202, response


async def test_nothing_shared_yet(any_api: Api, video: str) -> None:
    response = await any_api.request("GET", f"/share-links/count/article/{video}", user=None)
    assert response.status == 200
    assert response.json == {
        "contentType": "article",
        "contentId": video,
        "shareCount": 0,
        "breakdown": {"evidence": {}, "channel": {}, "campaign": {}},
        "version": 0,
        "asOf": None,
    }


async def test_records_links_and_adjustments_are_distinguished(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", "facebook")
    await any_api.share(video, "twitter", user="bert")
    body = {"contentType": "video", "contentId": video, "channelId": "twitter", "campaignId": "spring"}
    await any_api.request("POST", "/share-links", body)
    await correct(any_api, f"video/{video}", [{"operation": "increment", "amount": 7, "channelId": "newsletter"}])
    expected = {
        "evidence": {"declared": 3, "link": 1, "adjusted": 7},
        "channel": {"twitter": 3, "facebook": 1, "newsletter": 7},
        "campaign": {"none": 10, "spring": 1},
    }
    shown = await any_api.counted(f"video/{video}")
    assert (shown["shareCount"], shown["breakdown"]) == (11, expected)
    assert shown["version"] > 0
    age = datetime.now(UTC) - datetime.fromisoformat(shown["asOf"])
    assert abs(age.total_seconds()) < 60
    exact = (await any_api.request("GET", f"/share-links/count/video/{video}?consistent=true")).json
    assert exact == shown


async def test_the_version_rises_with_every_change(any_api: Api, video: str) -> None:
    versions = [0]
    await any_api.share(video, "twitter")
    versions.append((await any_api.counted(f"video/{video}"))["version"])
    await any_api.request("DELETE", f"/videos/{video}/share/twitter")
    gone = await any_api.counted(f"video/{video}")
    versions.append(gone["version"])
    assert versions == sorted(set(versions))
    assert gone["breakdown"] == {"evidence": {}, "channel": {}, "campaign": {}}


async def test_never_below_zero(api: Api, video: str) -> None:
    await correct(api, f"video/{video}", [{"operation": "decrement", "amount": 5}])
    shown = await api.counted(f"video/{video}")
    assert (shown["shareCount"], shown["breakdown"]["evidence"]) == (0, {})
    await correct(api, f"video/{video}", [{"operation": "increment", "amount": 6}])
    assert (await api.counted(f"video/{video}"))["shareCount"] == 1


async def test_the_fifty_largest_and_the_others(any_api: Api, video: str) -> None:
    lines = [{"operation": "increment", "amount": each, "campaignId": f"c{each}"} for each in range(1, 56)]
    await correct(any_api, f"video/{video}", lines)
    shown = await any_api.counted(f"video/{video}")
    expected = {f"c{each}": each for each in range(6, 56)} | {"other": 1 + 2 + 3 + 4 + 5}
    assert shown["breakdown"]["campaign"] == expected
    assert shown["shareCount"] == sum(range(1, 56))
    exact = await any_api.request("GET", f"/share-links/count/video/{video}?consistent=true")
    assert exact.json["breakdown"]["campaign"] == expected


# caching


async def test_a_version_that_is_known_is_not_sent_again(api: Api, video: str) -> None:
    await api.share(video, "twitter")
    version = (await api.counted(f"video/{video}"))["version"]
    address, tag = f"/share-links/count/video/{video}", f'"{version}"'
    first = await api.request("GET", address, user=None)
    assert (first.headers["etag"], first.headers["cache-control"]) == (tag, "no-cache")
    for known in (tag, f"W/{tag}", f'"1", {tag}', f'"1",W/{tag} , "2"', "*"):
        response = await api.request("GET", address, user=None, headers={"if-none-match": known})
        assert (response.status, response.body) == (304, b""), known
        assert (response.headers["etag"], response.headers["cache-control"]) == (tag, "no-cache")
        assert "content-type" not in response.headers
    for other in ('"1"', f"{version}", '""', f'"{version}0"', f'w/"{version}"', "nonsense"):
        response = await api.request("GET", address, user=None, headers={"if-none-match": other})
        assert (response.status, response.body) == (200, first.body), other
    twice = [("if-none-match", '"1"'), ("if-none-match", tag)]
    assert (await api.request("GET", address, user=None, headers=twice)).status == 304


async def test_head_has_the_same_headers_as_get(api: Api, video: str) -> None:
    address = f"/share-links/count/video/{video}"
    get, head = await api.request("GET", address), await api.request("HEAD", address)
    assert (head.status, head.body) == (200, b"")
    assert {name: head.headers[name] for name in ("etag", "content-length")} == {
        "etag": '"0"',
        "content-length": str(len(get.body)),
    }


# exact


async def test_exact_at_once_after_an_answered_write(any_api: Api, video: str) -> None:
    for number in range(1, 6):
        await any_api.share(video, "twitter", user=f"user-{number}")
        assert await any_api.exact_count(f"video/{video}") == number


async def test_the_exact_count_includes_counted_and_pending_shares(make_api: MakeApi, video: str) -> None:
    async with make_api(counting=False) as api:
        await api.share(video, "twitter")
        await api.request("POST", "/share-links", {"contentType": "video", "contentId": video, "campaignId": "spring"})
        plain, proof = f"/share-links/count/video/{video}", f"/proof/video/{video}"
        assert (await api.request("GET", plain)).json["shareCount"] == 0
        exact = (await api.request("GET", f"{plain}?consistent=true")).json
        assert (exact["shareCount"], exact["breakdown"]["campaign"]) == (2, {"none": 1, "spring": 1})
        found = (await api.request("GET", proof)).json
        assert [found[name] for name in ("ledger", "pending", "counted", "drift")] == [2, 2, 0, 0]
        status = (await api.request("GET", f"/videos/{video}/share-status")).json["platforms"][0]
        assert (status["shared"], status["shareCount"]) == (True, 1)
    async with make_api() as api:
        assert (await api.counted(f"video/{video}"))["shareCount"] == 2


async def test_exact_needs_a_token_and_is_not_stored(api: Api, video: str) -> None:
    address = f"/share-links/count/video/{video}?consistent=true"
    problem(await api.request("GET", address, user=None), 401, "unauthenticated")
    response = await api.request("GET", address, headers={"if-none-match": '"0"'})
    assert (response.status, response.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in response.headers


@pytest.mark.parametrize("query", ["consistent=1", "consistent=yes", "consistent=", "consistent=TRUE", "exact=true"])
async def test_a_switch_is_true_or_false(readonly_api: Api, query: str) -> None:
    assert invalid_paths(await readonly_api.request("GET", f"/share-links/count/video/abc?{query}")) == [
        query.partition("=")[0]
    ]
    assert (await readonly_api.request("GET", "/share-links/count/video/abc?consistent=false", user=None)).status == 200


# many


async def test_many_counts_keep_the_requested_order(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", "facebook")
    await any_api.counted(f"video/{video}")
    contents = [
        {"contentType": "video", "contentId": each} for each in (video, "nobody", f"{video} ", video.upper(), video)
    ]
    response = await any_api.request("POST", "/share-links/counts", {"contents": contents}, user=None)
    counts = response.json["counts"]
    assert [each["contentId"] for each in counts] == [each["contentId"] for each in contents]
    assert [each["shareCount"] for each in counts] == [2, 0, 0, 0, 2]
    assert counts[0] == counts[4]
    assert set(counts[0]) == {"contentType", "contentId", "shareCount", "breakdown", "version", "asOf"}


async def test_two_hundred_at_most(any_api: Api, video: str) -> None:
    contents = [{"contentType": "video", "contentId": f"{video}-{each}"} for each in range(201)]
    assert (await any_api.request("POST", "/share-links/counts", {"contents": []})).json == {"counts": []}
    full = await any_api.request("POST", "/share-links/counts", {"contents": contents[:200]}, user=None)
    assert [each["contentId"] for each in full.json["counts"]] == [each["contentId"] for each in contents[:200]]
    assert invalid_paths(await any_api.request("POST", "/share-links/counts", {"contents": contents})) == ["contents"]


async def test_the_one_that_is_malformed_is_named(readonly_api: Api) -> None:
    good = {"contentType": "video", "contentId": "abc"}
    for bad, path in (
        ({"contentType": "video"}, "contents[1].contentId"),
        ({**good, "contentType": "Video"}, "contents[1].contentType"),
        ({**good, "contentId": "a/b"}, "contents[1].contentId"),
        ({**good, "more": 1}, "contents[1].more"),
    ):
        assert invalid_paths(await readonly_api.request("POST", "/share-links/counts", {"contents": [good, bad]})) == [
            path
        ]


# who may read


async def test_counts_need_a_token_where_they_are_not_public(make_api: MakeApi) -> None:
    bulk = {"contents": [{"contentType": "video", "contentId": "abc"}]}
    async with make_api(PUBLIC_COUNTS="off") as api:
        for ask in (("GET", "/share-links/count/video/abc", b""), ("POST", "/share-links/counts", bulk)):
            problem(await api.request(*ask, user=None), 401, "unauthenticated")
            assert (await api.request(*ask)).status == 200


async def test_a_token_that_does_not_hold_is_refused_even_where_none_is_needed(readonly_api: Api) -> None:
    bad = {"authorization": "Bearer no.such.token"}
    response = await readonly_api.request("GET", "/share-links/count/video/abc", user=None, headers=bad)
    problem(response, 401, "unauthenticated")


# proof


async def test_the_proof_shows_ledger_pending_and_counted_for_each_cell(any_api: Api, video: str) -> None:
    await any_api.share(video, "twitter", "facebook")
    address = f"/proof/video/{video}"

    async def settled() -> Any:
        found = (await any_api.request("GET", address)).json
        assert (found["ledger"], found["drift"], found["pending"] + found["counted"]) == (2, 0, 2)
        return found if found["pending"] == 0 else None

    proof = await eventually(settled)
    assert (await any_api.request("GET", address)).headers["cache-control"] == "no-store"
    assert set(proof) == {"contentType", "contentId", "ledger", "pending", "counted", "drift", "asOf", "cells"}
    assert abs((datetime.fromisoformat(proof["asOf"]) - datetime.now(UTC)).total_seconds()) < 60
    cells = {each["cell"]: (each["ledger"], each["pending"], each["counted"], each["drift"]) for each in proof["cells"]}
    named = {"total": 2, "evidence:declared": 2, "channel:twitter": 1, "channel:facebook": 1, "campaign:none": 2}
    for cell, number in named.items():
        assert cells[cell] == (number, 0, number, 0)
    assert all(drift == 0 for *_, drift in cells.values())


async def test_the_proof_of_nothing_is_zero(any_api: Api, video: str) -> None:
    proof = (await any_api.request("GET", f"/proof/article/{video}")).json
    assert (proof["contentType"], proof["contentId"]) == ("article", video)
    assert [proof[name] for name in ("ledger", "pending", "counted", "drift")] == [0, 0, 0, 0]
    problem(await any_api.request("GET", f"/proof/article/{video}", user=None), 401, "unauthenticated")
