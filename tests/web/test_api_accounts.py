"""Connected accounts over HTTP, from the request that begins to the page on which it ends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from sharetally.ports.posting_platform import Connector
from tests.flow.fake_platform import PASSWORD, FakePlatform
from tests.web.api import Api, HttpResponse, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
COOKIE = "__Host-sharetally-connect"


class DocumentedPlatform(FakePlatform):
    """A platform that reads what this client publishes."""

    def documents(self) -> Mapping[str, Mapping[str, object]]:
        """One document."""
        return {"client-metadata.json": {"client_id": "https://shares.example/oauth/bluesky/client-metadata.json"}}


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    made = DocumentedPlatform(now=lambda: datetime.now(UTC))
    connectors: Mapping[str, Connector] = {"bluesky": made, "twitter": FakePlatform(now=made.now, platform="twitter")}
    monkeypatch.setattr("sharetally.wiring_accounts.create_connectors", lambda settings, outbound: connectors)
    return made


@pytest.fixture
async def api(platform: FakePlatform, make_api: MakeApi) -> AsyncIterator[Api]:
    async with make_api(PUBLIC_URL="https://shares.example") as found:
        yield found


async def begin(api: Api, **how: Any) -> tuple[str, str]:
    """The address to which the browser goes, and its cookie."""
    response = await api.request("POST", "/accounts/bluesky/connect", {}, **how)
    assert response.status == 200, response
    cookie = response.headers["set-cookie"]
    value = re.fullmatch(
        rf"{COOKIE}=([A-Za-z0-9_-]{{43}}); Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure", cookie
    )
    assert value is not None, cookie
    return response.json["authorizeUrl"], value[1]


async def come_back(api: Api, sent: Mapping[str, str], cookie: str | None, path: str = "callback") -> HttpResponse:
    """The browser follows the platform's redirect."""
    headers = {"cookie": f"{COOKIE}={cookie}"} if cookie is not None else {}
    return await api.request("GET", f"/oauth/bluesky/{path}?{urlencode(sent)}", user=None, headers=headers)


async def connect(api: Api, platform: FakePlatform, user: str = "anna") -> str:
    url, cookie = await begin(api, user=user)
    response = await come_back(api, platform.agree(url), cookie)
    assert response.status == 200, response
    (account,) = (await api.request("GET", "/accounts", user=user)).json["items"]
    return str(account["id"])


async def test_an_account_is_connected_in_the_browser(api: Api, platform: FakePlatform) -> None:
    assert (await api.request("GET", "/accounts")).json == {"items": [], "platforms": ["bluesky", "twitter"]}
    url, cookie = await begin(api)
    sent = platform.agree(url)
    page = await come_back(api, sent, cookie)
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "Max-Age=0" in page.headers["set-cookie"]
    assert b"anna on bluesky" in page.body
    (account,) = (await api.request("GET", "/accounts")).json["items"]
    del account["id"], account["createdAt"], account["updatedAt"]
    assert account == {
        "platform": "bluesky",
        "externalId": "did:plc:anna",
        "server": None,
        "handle": "anna",
        "label": None,
        "isDefault": True,
        "status": "connected",
    }
    again = await come_back(api, sent, cookie)
    assert (again.status, b"cannot be finished" in again.body) == (400, True)


async def test_a_link_to_somebody_elses_callback_does_nothing(api: Api, platform: FakePlatform) -> None:
    mine, my_cookie = await begin(api)
    attackers, _ = await begin(api, user="mallory")
    for cookie in (my_cookie, None):
        page = await come_back(api, platform.agree(attackers), cookie)
        assert page.status == 400
        assert "set-cookie" not in page.headers
    for user in ("anna", "mallory"):
        assert (await api.request("GET", "/accounts", user=user)).json["items"] == []
    assert (await come_back(api, platform.agree(mine), my_cookie)).status == 200


async def test_a_callback_with_a_parameter_twice_does_nothing(api: Api, platform: FakePlatform) -> None:
    url, cookie = await begin(api)
    sent = platform.agree(url)
    target = f"/oauth/bluesky/callback?{urlencode(sent)}&code=other"
    page = await api.request("GET", target, user=None, headers={"cookie": f"{COOKIE}={cookie}"})
    assert page.status == 400
    head = await api.request("HEAD", f"/oauth/bluesky/callback?{urlencode(sent)}", user=None)
    assert head.status == 405, "whatever looks ahead uses up no state"
    assert (await come_back(api, sent, cookie)).status == 200


async def test_whoever_begins_in_the_console_comes_back_to_it(platform: FakePlatform, make_api: MakeApi) -> None:
    platform.accounts = ("page:one", "page:two")
    async with make_api(PUBLIC_URL="https://shares.example/s", ROOT_PATH="/s") as api:
        begun = await api.request("POST", "/accounts/bluesky/connect", {"returnTo": "console"})
        cookie = begun.headers["set-cookie"].partition(";")[0].partition("=")[2]
        page = await come_back(api, platform.agree(begun.json["authorizeUrl"]), cookie)
        (first, _) = (unescape(link) for link in re.findall(r'href="/s(/oauth/[^"]+)"', page.body.decode()))
        page = await api.request("GET", first, user=None, headers={"cookie": f"{COOKIE}={cookie}"})
        (account,) = (await api.request("GET", "/accounts")).json["items"]
        target = f"/s/console/accounts?connected={account['id']}"
        assert f'<meta http-equiv="refresh" content="0;url={target}">' in page.body.decode()
        assert "Max-Age=0" in page.headers["set-cookie"]
        late = await come_back(api, {"state": "used"}, cookie)
        assert (late.status, b'href="/s/console/accounts"' in late.body) == (400, True)


async def test_nobody_is_led_to_another_place_than_the_console(api: Api, platform: FakePlatform) -> None:
    for wanted in ("https://evil.example/", "//evil.example", "/console", ""):
        body = {"returnTo": wanted}
        assert invalid_paths(await api.request("POST", "/accounts/bluesky/connect", body)) == ["returnTo"]
    url, cookie = await begin(api)
    page = await come_back(api, platform.agree(url), f"{cookie}.//evil.example")
    assert (page.status, b"evil" in page.body) == (400, False)
    page = await come_back(api, platform.agree(url), cookie)
    assert (page.status, b"refresh" in page.body) == (200, False), "whoever did not begin there is not led there"


async def test_what_a_platform_sends_is_not_html(api: Api, platform: FakePlatform) -> None:
    url, cookie = await begin(api)
    sent = {"state": platform.agree(url)["state"], "error": "<script>"}
    page = await come_back(api, sent, cookie)
    assert (page.status, b"<script>" in page.body) == (403, False)
    platform.accounts = ("did:plc:<b>", "did:plc:other")
    url, cookie = await begin(api)
    page = await come_back(api, platform.agree(url), cookie)
    assert b"<b>" not in page.body


async def test_the_user_chooses_one_of_several(api: Api, platform: FakePlatform) -> None:
    platform.accounts = ("page:one", "page:two & co")
    url, cookie = await begin(api)
    page = await come_back(api, platform.agree(url), cookie)
    assert page.status == 200
    links = [unescape(link) for link in re.findall(r'href="(/oauth/[^"]+)"', page.body.decode())]
    assert len(links) == 2
    without = await api.request("GET", links[1], user=None)
    assert without.status == 400
    chosen = await api.request("GET", links[1], user=None, headers={"cookie": f"{COOKIE}={cookie}"})
    assert (chosen.status, b"two &amp; co on bluesky" in chosen.body) == (200, True)
    assert [each["externalId"] for each in (await api.request("GET", "/accounts")).json["items"]] == ["page:two & co"]


async def test_an_app_password_connects_at_once(api: Api, platform: FakePlatform) -> None:
    body = {"identifier": "carla", "appPassword": PASSWORD, "server": "https://pds.example"}
    response = await api.request("POST", "/accounts/bluesky/connect", body)
    assert response.status == 201
    assert (response.json["externalId"], response.json["server"]) == ("did:plc:carla", "https://pds.example")
    assert "set-cookie" not in response.headers
    wrong = await api.request("POST", "/accounts/bluesky/connect", body | {"appPassword": "hush"})
    assert "hush" not in problem(wrong, 409, "conflict")["detail"]
    assert invalid_paths(await api.request("POST", "/accounts/bluesky/connect", {"appPassword": "hush"})) == [
        "identifier"
    ]
    assert invalid_paths(await api.request("POST", "/accounts/bluesky/connect", {"instance": "a\u0000"})) == [
        "instance"
    ]


async def test_connecting_says_what_is_missing(api: Api, platform: FakePlatform, make_api: MakeApi) -> None:
    problem(await api.request("POST", "/accounts/friendster/connect", {}), 404, "not-found")
    problem(await api.request("POST", "/accounts/bluesky/connect", {}, user=None), 401, "unauthenticated")
    problem(await api.request("POST", "/accounts/bluesky/connect", {}, scope="audit"), 403, "forbidden")
    platform.down = True
    problem(await api.request("POST", "/accounts/bluesky/connect", {}), 502, "platform-unavailable")


async def test_without_a_public_address_only_app_passwords_work(platform: FakePlatform, make_api: MakeApi) -> None:
    async with make_api() as api:
        found = problem(await api.request("POST", "/accounts/bluesky/connect", {}), 409, "conflict")
        assert "PUBLIC_URL" in found["detail"]
        body = {"identifier": "carla", "appPassword": PASSWORD}
        assert (await api.request("POST", "/accounts/bluesky/connect", body)).status == 201


async def test_a_user_can_make_us_contact_servers_so_often_and_no_more(
    platform: FakePlatform, make_api: MakeApi
) -> None:
    async with make_api(PUBLIC_URL="https://shares.example", CONNECT_RATE="3/hour") as api:
        first = await api.request("POST", "/accounts/bluesky/connect", {})
        assert first.headers["ratelimit-policy"] == '"writes";q=3;w=3600'
        assert first.headers["ratelimit"].startswith('"writes";r=2;')
        body = {"identifier": "carla", "appPassword": "hush"}
        problem(await api.request("POST", "/accounts/bluesky/connect", body), 409, "conflict")
        invalid_paths(await api.request("POST", "/accounts/bluesky/connect", {"appPassword": "hush"}))
        by_server = await api.request("POST", "/accounts/bluesky/connect", {"instance": "https://nowhere.example"})
        problem(by_server, 409, "conflict")
        begun, signed_in = platform.begun, platform.signed_in
        for refused in ({}, body | {"appPassword": PASSWORD}, {"instance": "another.example"}):
            response = await api.request("POST", "/accounts/bluesky/connect", refused)
            problem(response, 429, "rate-limited")
            assert 0 < int(response.headers["retry-after"]) <= 3601
        assert (platform.begun, platform.signed_in) == (begun, signed_in) == (2, 1), "nobody was contacted"
        assert (await api.request("POST", "/accounts/bluesky/connect", {}, user="carla")).status == 200
        assert (await api.request("PATCH", "/accounts/none", {})).status == 404, "nothing else is limited by it"


async def test_x_is_twitter(api: Api) -> None:
    response = await api.request("POST", "/accounts/X/connect", {})
    assert "oauth%2Ftwitter%2Fcallback" in response.json["authorizeUrl"]


async def test_an_account_is_changed_by_its_user_only(api: Api, platform: FakePlatform) -> None:
    account = await connect(api, platform)
    changed = await api.request("PATCH", f"/accounts/{account}", {"label": "the shop"})
    assert (changed.status, changed.json["label"], changed.json["isDefault"]) == (200, "the shop", True)
    body = {"identifier": "carla", "appPassword": PASSWORD}
    other = (await api.request("POST", "/accounts/bluesky/connect", body)).json
    assert other["isDefault"] is False
    assert (await api.request("PATCH", f"/accounts/{other['id']}", {"isDefault": True})).json["isDefault"] is True
    assert [(each["handle"], each["isDefault"]) for each in (await api.request("GET", "/accounts")).json["items"]] == [
        ("carla", True),
        ("anna", False),
    ]
    kept = await api.request("PATCH", f"/accounts/{account}", {})
    assert kept.json["label"] == "the shop"
    assert (await api.request("PATCH", f"/accounts/{account}", {"label": None})).json["label"] is None
    assert invalid_paths(await api.request("PATCH", f"/accounts/{account}", {"isDefault": False})) == ["isDefault"]
    for method, body in (("PATCH", {"label": "mine"}), ("DELETE", {})):
        problem(await api.request(method, f"/accounts/{account}", body, user="mallory"), 404, "not-found")
    problem(await api.request("PATCH", "/accounts/none", {}), 404, "not-found")


async def test_disconnecting_gives_the_permission_back_first(api: Api, platform: FakePlatform) -> None:
    account = await connect(api, platform)
    platform.down = True
    refused = problem(await api.request("DELETE", f"/accounts/{account}"), 502, "platform-unavailable")
    assert "force=true" in refused["detail"]
    assert len((await api.request("GET", "/accounts")).json["items"]) == 1
    platform.down = False
    assert (await api.request("DELETE", f"/accounts/{account}")).status == 204
    assert len(platform.revoked) == 1
    assert (await api.request("GET", "/accounts")).json["items"] == []
    problem(await api.request("DELETE", f"/accounts/{account}"), 404, "not-found")
    assert [each["action"] for each in await api.audit_lines(f"account/{account}")] == [
        "account_connected",
        "account_revoke_failed",
        "account_disconnected",
    ]


async def test_an_account_of_a_platform_that_is_down_can_be_deleted_by_force(api: Api, platform: FakePlatform) -> None:
    account = await connect(api, platform)
    platform.down = True
    assert (await api.request("DELETE", f"/accounts/{account}?force=true")).status == 204
    assert (await api.request("GET", "/accounts")).json["items"] == []
    line = (await api.audit_lines(f"account/{account}"))[-1]
    assert (line["action"], line["error"]["code"]) == ("account_disconnected", "not-revoked")
    assert "hush" not in str(await api.audit_lines(f"account/{account}"))


async def test_the_audit_finds_accounts_by_platform_user_and_action(api: Api, platform: FakePlatform) -> None:
    await connect(api, platform)
    for query in (
        "platform=bluesky",
        "userId=anna",
        "action=account_connected&platform=bluesky",
        "contentType=account",
    ):
        lines = (await api.request("GET", f"/audit?{query}", scope="audit")).json["items"]
        assert "account_connected" in [each["action"] for each in lines], query


async def test_a_platform_reads_the_documents_of_this_client(api: Api) -> None:
    response = await api.request("GET", "/oauth/bluesky/client-metadata.json", user=None)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.json["client_id"].endswith("/oauth/bluesky/client-metadata.json")
    for target in ("/oauth/bluesky/jwks.json", "/oauth/twitter/client-metadata.json", "/oauth/none/jwks.json"):
        problem(await api.request("GET", target, user=None), 404, "not-found")
