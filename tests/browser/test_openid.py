"""Somebody signs in to the console by OpenID Connect, in a browser, through a real provider's own form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.axe import accessibility_violations
from tests.browser.conftest import Visitor
from tests.browser.site import Site, open_site
from tests.openid.provider import SECRET, OpenIdProvider, open_provider
from tests.services.launch import free_port

pytestmark = pytest.mark.anyio
ASK = "async (path) => { const said = await fetch(path); return [said.status, said.ok ? await said.json() : null] }"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, OpenIdProvider]]:
    """A service and its provider: two hosts to the browser, `127.0.0.1` and `localhost`, and so two sites."""
    port, folder = free_port(), tmp_path_factory.mktemp("openid")
    base = f"http://127.0.0.1:{port}"
    back = f"{base}/console/sign-in/oidc/callback"
    with open_provider(folder, free_port(), back, host="localhost") as provider:
        settings = provider.settings(OIDC_CLIENT_SECRET=SECRET, PUBLIC_URL=base)
        with open_site(tmp_path_factory.mktemp("site"), port, **settings) as site:
            yield site, provider


async def test_sign_in_through_the_provider(place: tuple[Site, OpenIdProvider], visitor: Visitor) -> None:
    site, provider = place
    provider.knows(mara={"name": "Mara Lund", "groups": ["staff"]})
    page = await visitor(trouble=True)  # the browser reports it as an error that nobody is signed in yet
    wanted = f"{site.base}/console/audit?action=shared"
    await page.goto(wanted)
    await page.get_by_role("link", name="Sign in with your organisation").click()
    await page.wait_for_url(f"{provider.issuer}/**")
    await page.fill("input[name=login]", "mara")
    await page.fill("input[name=password]", "any")
    await page.click("button[type=submit]")
    await page.click("button[type=submit]")  # agrees
    await expect(page.get_by_role("heading", name="Audit", level=1)).to_be_visible()
    assert page.url == wanted
    status, session = await page.evaluate(ASK, "/console/session")
    assert (status, session["userId"], session["name"]) == (200, "mara", "Mara Lund")
    (cookie,) = await page.context.cookies(site.base)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("sharetally-console", True, "Strict")


async def test_a_refused_user_sees_the_reason(place: tuple[Site, OpenIdProvider], visitor: Visitor) -> None:
    site, provider = place
    provider.knows(nils={"groups": []})
    page = await visitor(trouble=True)  # the browser gets a 403
    await page.goto(f"{site.base}/console/sign-in/oidc")
    await page.fill("input[name=login]", "nils")
    await page.fill("input[name=password]", "any")
    await page.click("button[type=submit]")
    await page.click("button[type=submit]")
    await page.wait_for_url(f"{site.base}/console/sign-in/oidc/callback?**")
    assert await page.inner_text("h1") == "Not for this account"
    assert await accessibility_violations(page) == []
    assert await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none", (
        "it has its style"
    )
    assert await page.context.cookies(site.base) == []
    provider.knows(nils={"groups": []}, mara={"groups": ["staff"]})
    await page.get_by_role("link", name="Use another account").click()
    await page.fill("input[name=login]", "mara")
    await page.fill("input[name=password]", "any")
    await page.click("button[type=submit]")
    await page.click("button[type=submit]")
    await page.wait_for_url(f"{site.base}/console")
    assert (await page.evaluate(ASK, "/console/session"))[1]["userId"] == "mara"
