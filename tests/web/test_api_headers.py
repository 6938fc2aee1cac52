"""What goes around every answer: request ids, what browsers of other origins may do, and no stranger's headers."""

from __future__ import annotations

import re

import pytest

from sharetally.web.api import API_ENDPOINTS, PROBE_ENDPOINTS
from sharetally.web.pages.documents import page_endpoints
from tests.web.api import Api, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
SHOP = "https://shop.example"
EXPOSED = {"etag", "ratelimit", "ratelimit-policy", "x-request-id"}


@pytest.mark.parametrize("told", ["a", "req-1", "0199e3f2-7c1a", "a.b:c_d", "r" * 128])
async def test_a_sane_request_id_is_kept_everywhere(api: Api, video: str, told: str) -> None:
    response = await api.share(video, "twitter", headers={"x-request-id": told})
    assert response.headers["x-request-id"] == told
    assert [line["requestId"] for line in await api.audit_lines(f"video/{video}")] == [told]
    for method, path in (("GET", "/nowhere"), ("GET", "/platforms"), ("PUT", "/platforms"), ("GET", "/docs")):
        assert (await api.request(method, path, headers={"x-request-id": told})).headers["x-request-id"] == told


@pytest.mark.parametrize("told", ["", " ", "a b", "r" * 129, "é", "a\r\nX-Injected: yes", "<script>", "a,b", "a\0"])
async def test_any_other_request_id_is_replaced(api: Api, video: str, told: str) -> None:
    response = await api.share(video, "twitter", headers={"x-request-id": told})
    made = response.headers["x-request-id"]
    assert made != told
    assert made.isalnum()
    assert "x-injected" not in response.headers
    (line,) = await api.audit_lines(f"video/{video}")
    assert line["requestId"] == made


async def test_every_answer_has_a_request_id_of_its_own(api: Api) -> None:
    paths = ["/platforms", "/nowhere", "/videos/%00/share-status", "/audit", "/health/live", "/openapi.json", "/docs"]
    made = [(await api.request("GET", path)).headers["x-request-id"] for path in paths * 2]
    assert len(set(made)) == len(made)


async def test_two_request_ids_are_ignored(api: Api) -> None:
    response = await api.request("GET", "/platforms", headers=[("x-request-id", "one"), ("x-request-id", "two")])
    assert response.headers["x-request-id"] not in ("one", "two")


# what a body is


async def test_no_browser_guesses_what_an_answer_is(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS=SHOP) as api:
        link = {"contentType": "video", "contentId": "abc"}
        code = (await api.request("POST", "/share-links", link)).json["code"]
        every = (*API_ENDPOINTS, *PROBE_ENDPOINTS, *page_endpoints(API_ENDPOINTS, {}))
        asked = [(each.method, re.sub(r"{\w+}", "a", each.path)) for each in every]
        for method, path in [*asked, ("GET", f"/s/{code}"), ("GET", "/nowhere"), ("PUT", "/platforms")]:
            response = await api.request(method, path, scope="shares audit analytics admin")
            assert response.headers["x-content-type-options"] == "nosniff", (method, path)
        for origin in (SHOP, "https://evil.example"):
            preflight = {"origin": origin, "access-control-request-method": "GET"}
            response = await api.request("OPTIONS", "/platforms", user=None, headers=preflight)
            assert response.body, "it has one too"
            assert response.headers["x-content-type-options"] == "nosniff"


# other origins


async def test_without_the_setting_no_other_origin_is_let_in(api: Api) -> None:
    for method in ("GET", "OPTIONS"):
        response = await api.request(
            method, "/platforms", headers={"origin": SHOP, "access-control-request-method": "GET"}
        )
        assert "access-control-allow-origin" not in response.headers


async def test_a_named_origin_may_read_what_it_needs(make_api: MakeApi, video: str) -> None:
    async with make_api(CORS_ORIGINS=SHOP, RATE_LIMIT="5/hour") as api:
        response = await api.share(video, headers={"origin": SHOP})
        assert response.headers["access-control-allow-origin"] == SHOP
        assert "origin" in response.headers["vary"].lower()
        exposed = {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed >= EXPOSED
        refused = await api.request("GET", "/audit", user=None, headers={"origin": SHOP})
        problem(refused, 401, "unauthenticated")
        assert refused.headers["access-control-allow-origin"] == SHOP
        for origin in ("https://evil.example", "null", f"{SHOP}.evil.example", "http://shop.example"):
            other = await api.request("GET", "/platforms", headers={"origin": origin})
            assert "access-control-allow-origin" not in other.headers, origin


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_preflight_lets_in_what_the_api_takes(make_api: MakeApi, method: str) -> None:
    async with make_api(CORS_ORIGINS=SHOP) as api:
        wanted = "authorization, content-type, idempotency-key, if-none-match, x-request-id"
        headers = {"access-control-request-method": method, "access-control-request-headers": wanted}
        response = await api.request("OPTIONS", "/share-links", user=None, headers={"origin": SHOP, **headers})
        assert response.status in (200, 204)
        assert response.headers["access-control-allow-origin"] == SHOP
        assert method in response.headers["access-control-allow-methods"]
        allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
        assert allowed >= set(wanted.split(", "))
        evil = await api.request(
            "OPTIONS", "/share-links", user=None, headers={"origin": "https://evil.example", **headers}
        )
        assert "access-control-allow-origin" not in evil.headers


async def test_a_star_lets_every_origin_in_without_cookies(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS="*") as api:
        response = await api.request("GET", "/platforms", headers={"origin": "https://anywhere.example"})
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
