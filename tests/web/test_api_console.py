"""Signing in to the console by a one-time link, what the session may, and how it ends."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.domain.errors import Unauthenticated
from sharetally.flow.sign_in import digest_of
from sharetally.web.auth.sessions import Sessions
from tests.contracts.database_rows import execute_sql, query_int
from tests.web.api import Api, invalid_paths, make_settings, problem, start_api
from tests.web.browser import ALL_SCOPES, CROSS_ORIGIN, SAME_ORIGIN, Browser, create_sign_in_link, sign_in
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
COOKIE = "sharetally-console"
SESSION = "/console/session"


# by a link


async def test_a_link_signs_one_in(api: Api) -> None:
    browser = Browser(api)
    response = await browser.redeem(await create_sign_in_link(api, "mara", "audit", "analytics"))
    assert (response.status, response.headers["cache-control"]) == (200, "no-store")
    assert response.json | {"expiresAt": ""} == {"userId": "mara", "scopes": ["audit", "analytics"], "expiresAt": ""}
    ends = datetime.fromisoformat(response.json["expiresAt"])
    assert abs(ends - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=30)
    value, *attributes = response.headers["set-cookie"].split("; ")
    assert value.startswith(f"{COOKIE}=")
    seconds = int(attributes.pop(1).removeprefix("Max-Age="))
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert 3590 <= seconds <= 3600
    assert (await browser.request("GET", SESSION)).json == response.json


async def test_with_an_https_public_url_the_cookie_is_host_bound(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_URL="https://shares.example.com") as api:
        browser = await sign_in(api)
        assert list(browser.jar) == [f"__Host-{COOKIE}"]
        response = await browser.redeem(await create_sign_in_link(api))
        assert response.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Secure")
        browser.jar = {COOKIE: browser.jar[f"__Host-{COOKIE}"]}  # as any neighbour could set it
        problem(await browser.request("GET", SESSION), 401, "unauthenticated")


async def test_only_digests_are_stored(make_api: MakeApi, tmp_path: Path) -> None:
    async with make_api() as api:
        code, browser = await create_sign_in_link(api), await sign_in(api)
    with closing(sqlite3.connect(tmp_path / "sharetally.db")) as database:
        stored = "\n".join(database.iterdump())
    assert digest_of(code).hex() in stored
    assert digest_of(browser.jar[COOKIE]).hex() in stored
    assert code not in stored
    assert browser.jar[COOKIE] not in stored


async def test_a_sign_in_link_opened_many_times_at_once_works_once(any_api: Api) -> None:
    code = await create_sign_in_link(any_api, "once")
    crowd = [Browser(any_api) for _ in range(12)]
    response = await asyncio.gather(*(each.redeem(code) for each in crowd))
    assert sorted(each.status for each in response) == [200] + [401] * 11
    assert sorted(len(each.jar) for each in crowd) == [0] * 11 + [1]
    assert await query_int(any_api.database, "SELECT count(*) AS n FROM console_sessions WHERE user_id = 'once'") == 1


async def test_a_stolen_link_is_worth_nothing_afterwards(api: Api) -> None:
    code = await create_sign_in_link(api)
    assert (await Browser(api).redeem(code)).status == 200
    thief = Browser(api)
    response = await thief.redeem(code)
    assert "already used" in problem(response, 401, "unauthenticated")["detail"]
    assert "set-cookie" not in response.headers
    assert code not in response.body.decode()


async def test_an_expired_sign_in_link_is_refused(api: Api) -> None:
    code = await create_sign_in_link(api)
    await execute_sql(api.database, "UPDATE console_codes SET expires_at = '2026-01-01 00\\:00\\:00.000000'")
    problem(await Browser(api).redeem(code), 401, "unauthenticated")


@pytest.mark.parametrize("code", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "\n", "../" + "A" * 40])
async def test_an_invalid_code_is_refused(readonly_api: Api, code: str) -> None:
    assert invalid_paths(await Browser(readonly_api).redeem(code)) == ["code"]


async def test_signing_in_again_ends_the_session_before(api: Api) -> None:
    browser = await sign_in(api, "mara")
    before = dict(browser.jar)
    assert (await browser.redeem(await create_sign_in_link(api, "nils"))).json["userId"] == "nils"
    assert browser.jar != before
    assert [each.user_id for each in await api.database.sessions.all()] == ["nils"]
    browser.jar = before
    problem(await browser.request("GET", SESSION), 401, "unauthenticated")


async def test_session_fixation_is_impossible(api: Api) -> None:
    """Session fixation: signing in creates a new session, whatever cookie the request contains."""
    browser = Browser(api)
    browser.jar[COOKIE] = "A" * 43
    assert (await browser.redeem(await create_sign_in_link(api))).status == 200
    assert browser.jar[COOKIE] != "A" * 43
    problem(
        await api.request("GET", SESSION, user=None, headers=[("cookie", f"{COOKIE}={'A' * 43}")]),
        401,
        "unauthenticated",
    )


# cookies that are none


@pytest.mark.parametrize("change", ["shorter", "other", "twice", "quoted", "another name", "empty"])
async def test_a_cookie_that_was_tampered_with(api: Api, change: str) -> None:
    browser = await sign_in(api)
    value = browser.jar[COOKIE]
    cookie = {
        "shorter": f"{COOKIE}={value[:-1]}",
        "other": f"{COOKIE}={value[:-1]}{'A' if value[-1] != 'A' else 'B'}",
        "twice": f"{COOKIE}={value}; {COOKIE}={value}",
        "quoted": f'{COOKIE}="{value}"',
        "another name": f"{COOKIE}s={value}",
        "empty": f"{COOKIE}=",
    }[change]
    problem(await api.request("GET", SESSION, user=None, headers=[("cookie", cookie)]), 401, "unauthenticated")
    problem(await api.request("GET", "/audit", user=None, headers=[("cookie", cookie)]), 401, "unauthenticated")
    assert (await browser.request("GET", SESSION)).status == 200


# what a session may


async def test_every_route_takes_a_session_in_place_of_a_token(api: Api, video: str) -> None:
    browser = await sign_in(api)
    assert (await browser.request("POST", f"/videos/{video}/share", {"platforms": ["twitter"]})).status == 200
    assert [(line["userId"], line["actor"]) for line in await api.audit_lines(f"video/{video}")] == [("mara", "mara")]
    assert (await browser.request("GET", f"/videos/{video}/share-status")).json["platforms"][0]["sharedByMe"] is True
    change = {"operation": "increment", "reason": "import"}
    assert (await browser.request("POST", f"/share-links/count/video/{video}/adjustments", change)).status == 202
    assert (await browser.request("GET", f"/share-links/count/video/{video}?consistent=true")).json["shareCount"] == 2
    assert (await browser.request("GET", "/metrics")).status == 200


async def test_scopes_limit_it(api: Api, video: str) -> None:
    browser = await sign_in(api, "mara", "audit")
    await api.share(video, "twitter")
    assert (await browser.request("GET", "/audit?userId=anna")).json["items"]
    change = {"operation": "increment", "reason": "import"}
    adjusted = await browser.request("POST", f"/share-links/count/video/{video}/adjustments", change)
    assert "scope admin" in problem(adjusted, 403, "forbidden")["detail"]
    problem(await browser.request("POST", f"/videos/{video}/share", {}), 403, "forbidden")
    problem(await browser.request("GET", "/metrics"), 403, "forbidden")
    problem(await browser.request("POST", "/tokens", {"userId": "carla"}), 403, "forbidden")


async def test_a_session_may_not_act_for_another_user(api: Api) -> None:
    browser = await sign_in(api)
    problem(await browser.request("GET", "/audit", headers={**SAME_ORIGIN, "x-user-id": "carla"}), 403, "forbidden")


async def test_a_token_takes_precedence_over_the_cookie(api: Api) -> None:
    browser = await sign_in(api, "mara", "audit")
    bearer = {"authorization": f"Bearer {api.token('anna')}", **CROSS_ORIGIN}
    assert (await browser.request("POST", "/videos/abc/share", {}, headers=bearer)).status == 200
    assert {line["userId"] for line in await api.audit_lines("video/abc")} == {"anna"}
    bearer["authorization"] = "Bearer nonsense"
    problem(await browser.request("GET", "/audit", headers=bearer), 401, "unauthenticated")


async def test_public_routes_ignore_an_invalid_cookie(api: Api) -> None:
    browser = await sign_in(api)
    contents = {"contents": [{"contentType": "video", "contentId": "abc"}]}
    assert (await browser.request("POST", "/share-links/counts", contents, headers={})).status == 200
    browser.jar[COOKIE] = "A" * 43
    assert (await browser.request("GET", "/share-links/count/video/abc")).status == 200
    problem(await browser.request("GET", "/share-links/count/video/abc?consistent=true"), 401, "unauthenticated")


# other sites


FOREIGN: Mapping[str, Mapping[str, str]] = {
    "no word of where it comes from": {"x-sharetally-console": "1"},
    "no header of ours": {"sec-fetch-site": "same-origin"},
    "another value": {"sec-fetch-site": "same-origin", "x-sharetally-console": "0"},
    "another site": {**SAME_ORIGIN, "sec-fetch-site": "cross-site"},
    "a neighbour": {**SAME_ORIGIN, "sec-fetch-site": "same-site"},
    "typed in": {**SAME_ORIGIN, "sec-fetch-site": "none"},
    "another origin": {"origin": "https://evil.example", "x-sharetally-console": "1"},
    "another port": {"origin": "http://shares.test:8001", "host": "shares.test:8000", "x-sharetally-console": "1"},
    "a host that is none": {"origin": "http://[", "host": "[", "x-sharetally-console": "1"},
    "no origin": {"origin": "null", "host": "shares.test", "x-sharetally-console": "1"},
    "the browser's word against it": {
        "origin": "http://shares.test", "host": "shares.test", "sec-fetch-site": "cross-site",
        "x-sharetally-console": "1",
    },
}  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
async def test_another_site_changes_nothing(api: Api, headers: Mapping[str, str]) -> None:
    browser = await sign_in(api)
    code = await create_sign_in_link(api, "evil")
    kept = dict(browser.jar)
    problem(await browser.request("POST", "/videos/abc/share", {}, headers=headers), 403, "forbidden")
    problem(await browser.request("DELETE", "/videos/abc/share/twitter", headers=headers), 403, "forbidden")
    problem(await browser.request("DELETE", SESSION, headers=headers), 403, "forbidden")
    problem(await browser.redeem(code, headers=headers), 403, "forbidden")
    assert browser.jar == kept
    assert await api.audit_lines("video/abc") == []
    assert (await browser.request("GET", SESSION)).json["userId"] == "mara"
    assert (await Browser(api).redeem(code)).status == 200, "the code was not used up"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_reads_nothing(api: Api, site: str) -> None:
    browser = await sign_in(api)
    for path in ("/audit", SESSION, "/share-links"):
        problem(await browser.request("GET", path, headers={"sec-fetch-site": site}), 403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://shares.test", "host": "shares.test"},
        {"origin": "http://shares.test:8000", "host": "shares.test:8000"},
        {"origin": "http://shares.test", "host": "Shares.Test:80"},
        {"sec-fetch-site": "same-origin", "origin": "http://elsewhere.test"},
    ],
)
async def test_our_own_page_is_known_by_either_header(api: Api, headers: Mapping[str, str]) -> None:
    browser = await sign_in(api)
    own = {**headers, "x-sharetally-console": "1"}
    assert (await browser.request("POST", "/videos/abc/share", {}, headers=own)).status == 200


async def test_behind_a_proxy_our_origin_is_the_public_one(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_URL="https://shares.example.com/at", ROOT_PATH="/at") as api:
        browser = await sign_in(api)
        own = {"origin": "https://shares.example.com", "host": "10.0.0.7:8000", "x-sharetally-console": "1"}
        assert (await browser.request("POST", "/videos/abc/share", {}, headers=own)).status == 200
        other = {**own, "origin": "https://shares.example.com.evil.example"}
        problem(await browser.request("POST", "/videos/abc/share", {}, headers=other), 403, "forbidden")


async def test_cross_origin_scripts_may_not_send_the_header(make_api: MakeApi) -> None:
    async with make_api(CORS_ORIGINS="https://shop.example.com") as api:
        asks = {"access-control-request-method": "POST", "access-control-request-headers": "x-sharetally-console"}
        response = await api.request(
            "OPTIONS", SESSION, user=None, headers={"origin": "https://shop.example.com", **asks}
        )
        assert response.status == 400
        assert "access-control-allow-credentials" not in response.headers


# the end


async def test_signing_out(api: Api) -> None:
    browser, other = await sign_in(api), await sign_in(api)
    kept = dict(browser.jar)
    response = await browser.request("DELETE", SESSION)
    assert (response.status, response.body, browser.jar) == (204, b"", {})
    assert "Max-Age=0" in response.headers["set-cookie"]
    browser.jar = kept  # somebody had copied it
    problem(await browser.request("GET", SESSION), 401, "unauthenticated")
    problem(await browser.request("GET", "/audit"), 401, "unauthenticated")
    assert (await browser.request("DELETE", SESSION)).status == 204, "again, nothing is left to do"
    assert (await other.request("GET", SESSION)).status == 200


async def test_signing_out_ends_the_session_in_every_process(module_database: str, tmp_path: Path) -> None:
    """Two processes over one database; the second believes what it looked up for a few seconds, and no longer."""
    async with (
        start_api(make_settings(tmp_path, module_database)) as one,
        start_api(make_settings(tmp_path, module_database)) as two,
    ):
        clock = _Seconds()
        sessions = Sessions(two.database.sessions, clock=two.core.clock, public_url=None, now=clock)
        browser = await sign_in(one)
        scope = {"type": "http", "method": "GET", "headers": [(b"cookie", f"{COOKIE}={browser.jar[COOKIE]}".encode())]}
        assert (await sessions.require(scope)).user_id == "mara"
        assert (await browser.request("DELETE", SESSION)).status == 204
        assert (await sessions.require(scope)).user_id == "mara", "what was looked up is believed for some seconds"
        clock.at += 5.0
        with pytest.raises(Unauthenticated):
            await sessions.require(scope)


class _Seconds:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


# what everybody may see


async def test_how_one_may_sign_in(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_URL="https://shares.example.com") as api:
        response = await api.request("GET", "/console/options", user=None)
        assert response.json == {"oidc": False, "publicUrl": "https://shares.example.com"}


@pytest.mark.parametrize("scope", ALL_SCOPES)
async def test_a_token_is_not_a_session(readonly_api: Api, scope: str) -> None:
    problem(await readonly_api.request("GET", SESSION, scope=scope), 401, "unauthenticated")
