"""What goes around every answer: request ids, what browsers of other origins may do, and no stranger's headers."""

from __future__ import annotations

import re

import pytest

from sharetally.web.endpoints.pages import page_endpoints
from sharetally.web.table import API, OPERATION
from tests.web.api import Api, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
SHOP = "https://shop.example"
EXPOSED = {"etag", "ratelimit", "ratelimit-policy", "x-request-id"}


@pytest.mark.parametrize("told", ["a", "req-1", "0199e3f2-7c1a", "a.b:c_d", "r" * 128])
async def test_a_sane_request_id_is_kept_everywhere(api: Api, video: str, told: str) -> None:
    said = await api.share(video, "twitter", headers={"x-request-id": told})
    assert said.headers["x-request-id"] == told
    assert [line["requestId"] for line in await api.audited(f"video/{video}")] == [told]
    for method, path in (("GET", "/nowhere"), ("GET", "/platforms"), ("PUT", "/platforms"), ("GET", "/docs")):
        assert (await api.ask(method, path, headers={"x-request-id": told})).headers["x-request-id"] == told


@pytest.mark.parametrize("told", ["", " ", "a b", "r" * 129, "é", "a\r\nX-Injected: yes", "<script>", "a,b", "a\0"])
async def test_any_other_request_id_is_replaced(api: Api, video: str, told: str) -> None:
    said = await api.share(video, "twitter", headers={"x-request-id": told})
    made = said.headers["x-request-id"]
    assert made != told
    assert made.isalnum()
    assert "x-injected" not in said.headers
    (line,) = await api.audited(f"video/{video}")
    assert line["requestId"] == made


async def test_every_answer_has_a_request_id_of_its_own(api: Api) -> None:
    paths = ["/platforms", "/nowhere", "/videos/%00/share-status", "/audit", "/health/live", "/openapi.json", "/docs"]
    made = [(await api.ask("GET", path)).headers["x-request-id"] for path in paths * 2]
    assert len(set(made)) == len(made)


async def test_two_request_ids_are_none(api: Api) -> None:
    said = await api.ask("GET", "/platforms", headers=[("x-request-id", "one"), ("x-request-id", "two")])
    assert said.headers["x-request-id"] not in ("one", "two")


# what a body is


async def test_no_browser_guesses_what_an_answer_is(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS=SHOP) as api:
        link = {"contentType": "video", "contentId": "abc"}
        code = (await api.ask("POST", "/share-links", link)).json["code"]
        every = (*API, *OPERATION, *page_endpoints(API))
        asked = [(each.method, re.sub(r"{\w+}", "a", each.path)) for each in every]
        for method, path in [*asked, ("GET", f"/s/{code}"), ("GET", "/nowhere"), ("PUT", "/platforms")]:
            said = await api.ask(method, path, scope="shares audit analytics admin")
            assert said.headers["x-content-type-options"] == "nosniff", (method, path)
        for origin in (SHOP, "https://evil.example"):
            preflight = {"origin": origin, "access-control-request-method": "GET"}
            said = await api.ask("OPTIONS", "/platforms", user=None, headers=preflight)
            assert said.body, "it has one too"
            assert said.headers["x-content-type-options"] == "nosniff"


# other origins


async def test_without_the_setting_no_other_origin_is_let_in(api: Api) -> None:
    for method in ("GET", "OPTIONS"):
        said = await api.ask(method, "/platforms", headers={"origin": SHOP, "access-control-request-method": "GET"})
        assert "access-control-allow-origin" not in said.headers


async def test_a_named_origin_may_read_what_it_needs(make_api: MakeApi, video: str) -> None:
    async with make_api(CORS_ORIGINS=SHOP, RATE_LIMIT="5/hour") as api:
        said = await api.share(video, headers={"origin": SHOP})
        assert said.headers["access-control-allow-origin"] == SHOP
        assert "origin" in said.headers["vary"].lower()
        exposed = {name.strip().lower() for name in said.headers["access-control-expose-headers"].split(",")}
        assert exposed >= EXPOSED
        refused = await api.ask("GET", "/audit", user=None, headers={"origin": SHOP})
        problem(refused, 401, "unauthenticated")
        assert refused.headers["access-control-allow-origin"] == SHOP
        for origin in ("https://evil.example", "null", f"{SHOP}.evil.example", "http://shop.example"):
            other = await api.ask("GET", "/platforms", headers={"origin": origin})
            assert "access-control-allow-origin" not in other.headers, origin


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_preflight_lets_in_what_the_api_takes(make_api: MakeApi, method: str) -> None:
    async with make_api(CORS_ORIGINS=SHOP) as api:
        wanted = "authorization, content-type, idempotency-key, if-none-match, x-request-id"
        headers = {"access-control-request-method": method, "access-control-request-headers": wanted}
        said = await api.ask("OPTIONS", "/share-links", user=None, headers={"origin": SHOP, **headers})
        assert said.status in (200, 204)
        assert said.headers["access-control-allow-origin"] == SHOP
        assert method in said.headers["access-control-allow-methods"]
        allowed = {name.strip().lower() for name in said.headers["access-control-allow-headers"].split(",")}
        assert allowed >= set(wanted.split(", "))
        evil = await api.ask(
            "OPTIONS", "/share-links", user=None, headers={"origin": "https://evil.example", **headers}
        )
        assert "access-control-allow-origin" not in evil.headers


async def test_a_star_lets_every_origin_in_without_cookies(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS="*") as api:
        said = await api.ask("GET", "/platforms", headers={"origin": "https://anywhere.example"})
        assert said.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in said.headers
