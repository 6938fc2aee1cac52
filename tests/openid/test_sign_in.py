"""People sign in to the console through a real provider; what they may is what their groups there say."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.outbound import OutboundClient
from sharetally.domain.errors import Unauthenticated
from sharetally.wiring_http import oidc_sign_in
from tests.openid.provider import SECRET, OpenIdProvider, log_in, open_provider
from tests.services.launch import free_port
from tests.web.api import Api, HttpResponse, make_settings, problem
from tests.web.browser import Browser
from tests.web.conftest import MakeApi, make_api, migrated_file

__all__ = ["make_api", "migrated_file"]
pytestmark = pytest.mark.anyio
PUBLIC = "http://127.0.0.1:8000"
BACK = "/console/sign-in/oidc/callback"
MARA = {"name": "Mara Lund", "email": "mara@example.com", "email_verified": True, "groups": ["staff", "gardeners"]}
NILS = {"name": "Nils", "groups": ["gardeners"]}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with open_provider(tmp_path_factory.mktemp("openid"), free_port(), PUBLIC + BACK) as running:
        yield running


@pytest.fixture
async def api(make_api: MakeApi, provider: OpenIdProvider) -> AsyncIterator[Api]:
    provider.knows(mara=MARA, nils=NILS)
    async with make_api(PUBLIC_URL=PUBLIC, **provider.settings(OIDC_CLIENT_SECRET=SECRET)) as made:
        yield made


async def begin_sign_in(browser: Browser, query: str = "") -> str:
    """Somebody wants to sign in; where they are sent."""
    response = await browser.request("GET", f"/console/sign-in/oidc{query}", headers={"sec-fetch-site": "same-origin"})
    assert response.status == 302, response
    return response.headers["location"]


async def complete_sign_in(browser: Browser, url: str) -> HttpResponse:
    """The provider sends them back, which is a request from another site."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == PUBLIC + BACK, url
    return await browser.request("GET", f"{parts.path}?{parts.query}", headers={"sec-fetch-site": "cross-site"})


async def sign_in(api: Api, user: str, query: str = "") -> tuple[Browser, HttpResponse]:
    browser = Browser(api)
    return browser, await complete_sign_in(browser, await log_in(await begin_sign_in(browser, query), user))


async def test_one_of_the_staff_signs_in(api: Api) -> None:
    browser, response = await sign_in(api, "mara", "?return=/console/audit%3Faction%3Dshared")
    assert response.status == 200, response
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in response.headers["content-security-policy"]
    page = response.body.decode()
    assert '<meta http-equiv="refresh" content="0;url=/console/audit?action=shared">' in page
    assert not re.search("<script|style=", page)
    assert list(browser.jar) == ["sharetally-console"], "what was kept for the way back is gone"
    assert "SameSite=Strict" in response.headers["set-cookie"].split("\n")[0]
    session = (await browser.request("GET", "/console/session")).json
    assert session | {"expiresAt": ""} == {
        "userId": "mara", "name": "Mara Lund", "scopes": ["audit", "analytics"], "expiresAt": "",
    }  # fmt: skip
    assert (await browser.request("GET", "/audit?userId=anna")).status == 200
    problem(await browser.request("POST", "/videos/abc/share", {}), 403, "forbidden")
    assert (await api.request("GET", "/console/options", user=None)).json["oidc"] is True


async def test_the_request_to_the_provider(api: Api, provider: OpenIdProvider) -> None:
    browser = Browser(api)
    asked = parse_qs(urlsplit(await begin_sign_in(browser)).query)
    assert {name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "code_challenge_method")} == {
        "response_type": ["code"],
        "client_id": ["sharetally"],
        "redirect_uri": [PUBLIC + BACK],
        "code_challenge_method": ["S256"],
    }
    secrets = [asked[name][0] for name in ("state", "nonce", "code_challenge")]
    again = parse_qs(urlsplit(await begin_sign_in(browser)).query)
    assert not set(secrets) & {again[name][0] for name in ("state", "nonce", "code_challenge")}
    assert all(len(secret) == 43 and secret not in browser.jar["sharetally-sign-in"] for secret in secrets)


async def test_a_user_without_a_group_sees_why_sign_in_failed(api: Api) -> None:
    browser, response = await sign_in(api, "nils")
    assert response.status == 403
    assert "Not for this account" in response.body.decode()
    assert browser.jar == {}
    assert await api.database.sessions.all() == []


async def test_a_group_that_was_taken_away_counts_at_the_next_sign_in(api: Api, provider: OpenIdProvider) -> None:
    browser, first = await sign_in(api, "mara")
    assert first.status == 200
    provider.knows(mara={**MARA, "groups": []})
    assert (await browser.request("GET", "/console/session")).status == 200, "this one goes on until it ends"
    assert (await sign_in(api, "mara"))[1].status == 403
    provider.knows(mara={**MARA, "groups": ["owners", "staff"]})
    browser, _ = await sign_in(api, "mara")
    scopes = (await browser.request("GET", "/console/session")).json["scopes"]
    assert scopes == ["shares", "audit", "analytics", "admin"]


async def test_a_repeated_answer_signs_in_once(api: Api) -> None:
    browser = Browser(api)
    kept = await begin_sign_in(browser)
    jar = dict(browser.jar)
    url = await log_in(kept, "mara")
    assert (await complete_sign_in(browser, url)).status == 200
    replayed = await complete_sign_in(browser, url)
    assert (replayed.status, "cannot be finished" in replayed.body.decode()) == (400, True)
    browser.jar = jar  # even by somebody who kept what the browser had: the provider redeems a code once
    replayed = await complete_sign_in(browser, url)
    assert (replayed.status, "does not hold" in replayed.body.decode()) == (502, True)
    assert len(await api.database.sessions.all()) == 1


async def test_a_callback_of_another_browser_is_refused(api: Api) -> None:
    """Login CSRF: a code of the attacker's, brought by somebody who began nothing, or something else."""
    attacker, victim, bystander = Browser(api), Browser(api), Browser(api)
    url = await log_in(await begin_sign_in(attacker), "mara")
    await begin_sign_in(victim)
    for browser in (victim, bystander):
        response = await complete_sign_in(browser, url)
        assert (response.status, "cannot be finished" in response.body.decode()) == (400, True)
        assert "sharetally-console" not in browser.jar
    assert await api.database.sessions.all() == []


async def test_a_code_that_was_injected_does_not_fit(api: Api) -> None:
    """The attacker's code under the victim's own state: PKCE's verifier is another."""
    attacker, victim = Browser(api), Browser(api)
    stolen = parse_qs(urlsplit(await log_in(await begin_sign_in(attacker), "mara")).query)["code"][0]
    state = parse_qs(urlsplit(await begin_sign_in(victim)).query)["state"][0]
    iss = provider_of(api)
    response = await complete_sign_in(victim, f"{PUBLIC}{BACK}?code={stolen}&state={state}&iss={iss}")
    assert (response.status, "does not hold" in response.body.decode()) == (502, True)
    assert await api.database.sessions.all() == []


def provider_of(api: Api) -> str:
    return str(api.core.settings.oidc_issuer)


async def test_a_user_who_declines_sees_why_sign_in_failed(api: Api) -> None:
    browser = Browser(api)
    state = parse_qs(urlsplit(await begin_sign_in(browser)).query)["state"][0]
    response = await complete_sign_in(
        browser, f"{PUBLIC}{BACK}?error=access_denied&error_description=%3Cb%3E&state={state}&iss={provider_of(api)}"
    )
    assert response.status == 403
    assert "access_denied" in response.body.decode()
    assert "<b>" not in response.body.decode()
    assert browser.jar == {}


async def test_a_wrong_client_secret_is_only_logged(
    make_api: MakeApi, provider: OpenIdProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.knows(mara=MARA)
    async with make_api(PUBLIC_URL=PUBLIC, **provider.settings(OIDC_CLIENT_SECRET="another")) as api:
        _, response = await sign_in(api, "mara")
        assert response.status == 502
        assert "invalid_client" not in response.body.decode()
        assert "another" not in response.body.decode()


async def test_a_public_client_reads_missing_claims_from_userinfo(make_api: MakeApi, tmp_path: Path) -> None:
    with open_provider(tmp_path, free_port(), PUBLIC + BACK, method="none", userinfo_only=True) as provider:
        provider.knows(mara=MARA)
        async with make_api(PUBLIC_URL=PUBLIC, **provider.settings()) as api:
            browser, response = await sign_in(api, "mara")
            assert response.status == 200, response
            assert (await browser.request("GET", "/console/session")).json["scopes"] == ["audit", "analytics"]
            assert (await browser.request("GET", "/console/session")).json["name"] == "Mara Lund"


async def test_a_provider_that_is_gone_harms_nothing_else(make_api: MakeApi, tmp_path: Path) -> None:
    with open_provider(tmp_path, free_port(), PUBLIC + BACK, method="client_secret_post") as provider:
        provider.knows(mara=MARA)
        async with make_api(PUBLIC_URL=PUBLIC, **provider.settings(OIDC_CLIENT_SECRET=SECRET)) as api:
            browser, response = await sign_in(api, "mara")
            assert response.status == 200, response
            late = Browser(api)
            url = await log_in(await begin_sign_in(late), "mara")
            provider.stop()
            response = await complete_sign_in(late, url)
            assert (response.status, "just now" in response.body.decode()) == (503, True)
            assert int(response.headers["retry-after"]) >= 1
            assert late.jar == {}
            assert (await browser.request("GET", "/console/session")).status == 200
            assert (await api.share("abc", "twitter")).status == 200
        async with make_api(PUBLIC_URL=PUBLIC, **provider.settings(OIDC_CLIENT_SECRET=SECRET)) as api:
            response = await api.request("GET", "/console/sign-in/oidc", user=None)
            assert (response.status, "just now" in response.body.decode()) == (503, True), "nor does the start need it"


async def test_doctor_checks_the_provider(provider: OpenIdProvider, tmp_path: Path) -> None:
    told = provider.settings(PUBLIC_URL=PUBLIC)
    outbound = OutboundClient()
    try:
        known = oidc_sign_in(make_settings(tmp_path, f"sqlite:///{tmp_path}/a.db", **told), outbound, DatabaseClock())
        await known.provider.check()
        told["OIDC_ISSUER"] += "/"
        known = oidc_sign_in(make_settings(tmp_path, f"sqlite:///{tmp_path}/a.db", **told), outbound, DatabaseClock())
        with pytest.raises(Unauthenticated, match="is not OIDC_ISSUER"):
            await known.provider.check()
    finally:
        await outbound.close()
