"""Paths as they come: decoded strictly, compared exactly, and found or not found."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.web.api import Api, invalid_paths, problem

pytestmark = pytest.mark.anyio
NO_ID = [
    "%00",
    "a%00b",
    "%0a",
    "%7f",
    "%C2%85",
    "%2e",
    "%2E%2e",
    ".",
    "..",
    "%2F",
    "a%2fb",
    "%FF",
    "%C0%AF",
    "%ED%A0%80",
]
NO_ID += ["v" * 129, "%F0%9D%84%9E" * 129]


@pytest.mark.parametrize("name", NO_ID)
async def test_an_invalid_id_is_400_anywhere_in_the_path(readonly_api: Api, name: str) -> None:
    for method, path in (
        ("GET", f"/share-links/count/video/{name}"),
        ("GET", f"/videos/{name}/share-status"),
        ("POST", f"/videos/{name}/share"),
        ("POST", f"/content/article/{name}/share"),
        ("DELETE", f"/videos/{name}/share/twitter"),
        ("GET", f"/proof/video/{name}"),
    ):
        assert invalid_paths(await readonly_api.request(method, path, {} if method == "POST" else b"")), (method, path)
    assert (await readonly_api.request("GET", "/audit", scope="audit")).json["items"] == []


ODD = ["a b", " ", "a%b", "%", "%2F", "a+b", "é", "e\u0301", "日本", "\U0001d11e" * 128, "v" * 128, "a;b=c"]
ODD += ["...", "a\\b", "'; DROP TABLE x; --", '"', "<b>", "\u00a0", "\ufffd", "\u202e", "a?b#c", "{videoId}"]
ODD += ["null", "share", "count"]


async def test_any_other_text_is_an_id_and_is_returned_unchanged(any_api: Api) -> None:
    for name in ODD:
        encoded = quote(name, safe="")
        response = await any_api.request("POST", f"/content/odd/{encoded}/share", {"platforms": ["twitter"]})
        assert (response.status, response.json["contentId"]) == (200, name)
    for name in ODD:
        encoded = quote(name, safe="")
        shown = await any_api.counted(f"odd/{encoded}")
        assert (shown["contentId"], shown["shareCount"]) == (name, 1)
        listed = (await any_api.request("GET", f"/audit?contentType=odd&contentId={encoded}", scope="audit")).json
        assert [line["contentId"] for line in listed["items"]] == [name]


async def test_ids_are_compared_exactly(any_api: Api, video: str) -> None:
    names = [video, video.upper(), f"{video}%20", f"%20{video}", f"{video}%C3%A9", f"{video}e%CC%81", f"{video}e"]
    for place, name in enumerate(names):
        for user in range(place + 1):
            await any_api.share(name, "twitter", user=f"user-{user}")
    for place, name in enumerate(names):
        assert (await any_api.counted(f"video/{name}"))["shareCount"] == place + 1
        status = (await any_api.request("GET", f"/videos/{name}/share-status")).json
        assert status["platforms"][0]["shareCount"] == place + 1


async def test_users_are_compared_exactly(any_api: Api, video: str) -> None:
    for user in ("anna", "Anna", "anna ", "ånna", "a\u030anna"):
        response = await any_api.share(video, "twitter", user=user)
        assert response.json["results"][0]["alreadyShared"] is False
    assert await any_api.exact_count(f"video/{video}") == 5


@pytest.mark.parametrize("kind", ["Video", "1st", "", "a" * 33, "a%20b", "%C3%A9", "video%0a", "a.b"])
async def test_a_content_type_has_its_own_rule(readonly_api: Api, kind: str) -> None:
    response = await readonly_api.request("GET", f"/share-links/count/{kind}/abc")
    if kind:
        assert invalid_paths(response) in (["contentType"], ["path"])
    else:
        problem(response, 404, "not-found")
    assert (await readonly_api.request("GET", f"/share-links/count/{'a' * 32}/abc")).status == 200


NOWHERE = ["/", "", "//", "/videos", "/videos/", "/videos/abc", "/videos/abc/", "/videos/abc/share-status/"]
NOWHERE += ["//videos/abc/share-status", "/videos//share-status", "/Platforms", "/platforms/", "/share-links/", "*"]
NOWHERE += ["/share-links/count/video", "/share-links/count/video/", "/videos/abc/share/", "/s", "/s/", "/.env"]
NOWHERE += ["/videos/abc/share/twitter/retry/now", "/page.css/..", "/static/demo.css"]


@pytest.mark.parametrize("path", NOWHERE)
async def test_a_path_that_is_not_there_is_404(readonly_api: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = await readonly_api.request(method, path)
        if path.endswith(".."):
            assert invalid_paths(response) == ["path"]
        else:
            problem(response, 404, "not-found")


async def test_an_unknown_error_code_has_no_page(readonly_api: Api) -> None:
    problem(await readonly_api.request("GET", "/problems/unknown"), 404, "not-found")


async def test_letters_and_digits_may_be_encoded_too(readonly_api: Api) -> None:
    assert (await readonly_api.request("GET", "/%70latforms")).status == 200
    assert (await readonly_api.request("GET", "/share-links/count/%76ideo/%61bc")).json["contentId"] == "abc"


ALLOW = [
    ("/videos/abc/share", "POST"),
    ("/videos/abc/share-status", "GET, HEAD"),
    ("/videos/abc/share/twitter", "DELETE"),
    ("/videos/abc/share/twitter/retry", "POST"),
    ("/platforms", "GET, HEAD"),
    ("/share-links", "GET, HEAD, POST"),
    ("/share-links/0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f", "DELETE, GET, HEAD, PATCH"),
    ("/share-links/count/video/abc", "GET, HEAD"),
    ("/share-links/counts", "POST"),
    ("/share-links/adjustments", "POST"),
    ("/share-links/count/video/abc/adjustments", "POST"),
    ("/s/aB3dE5fG7h", "GET, HEAD"),
    ("/audit", "GET, HEAD"),
    ("/tokens", "POST"),
    ("/metrics", "GET, HEAD"),
    ("/openapi.json", "GET, HEAD"),
]


@pytest.mark.parametrize(("path", "allow"), ALLOW)
async def test_an_unsupported_method_is_405_and_lists_the_supported_ones(
    readonly_api: Api, path: str, allow: str
) -> None:
    for method in {"PUT", "OPTIONS", "TRACE", "BREW", "GET", "post"} - set(allow.split(", ")):
        response = await readonly_api.request(method, path)
        problem(response, 405, "method-not-allowed")
        assert response.headers["allow"] == allow


@pytest.mark.parametrize("query", ["force=true", "x", "%00=1", "pageSize=1", "=", "a=1&a=2"])
async def test_an_unknown_parameter_is_400(readonly_api: Api, query: str) -> None:
    for method, path in (
        ("POST", "/videos/abc/share"),
        ("GET", "/videos/abc/share-status"),
        ("GET", "/proof/video/abc"),
        ("GET", "/share-links/count/video/abc"),
        ("POST", "/share-links/counts"),
    ):
        body: object = {"contents": []} if path.endswith("counts") else {}
        assert len(invalid_paths(await readonly_api.request(method, f"{path}?{query}", body))) == 1
    assert await readonly_api.audit_lines("video/abc") == []


async def test_a_query_may_be_percent_encoded(api: Api, video: str) -> None:
    await api.share(video, "twitter")
    listed = await api.request("GET", f"/audit?%63ontentId=%{ord('v'):02x}{video[1:]}")
    assert [line["contentId"] for line in listed.json["items"]] == [video]
