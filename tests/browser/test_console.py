"""The console's door and frame: sign in by a link, see what one may, sign out; and every view open to everybody."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import accessibility_violations
from tests.browser.conftest import OpenSite, Visitor
from tests.browser.console import NARROW, WIDE, Console, sign_in_link
from tests.browser.site import Site
from tests.browser.test_pages import overflow

pytestmark = pytest.mark.anyio


async def test_a_sign_in_link_works_once(site: Site, visitor: Visitor) -> None:
    page = await visitor(trouble=True)  # the browser reports it as an error that nobody is signed in yet
    link = sign_in_link(site)
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert page.url == f"{site.base}/console"
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in to Sharetally")).to_be_visible()

    wanted = f"{site.base}/console/audit?platform=twitter"
    await page.goto(wanted)
    await page.get_by_label("Link or code").fill(link)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await accessibility_violations(page) == []
    await page.get_by_label("Link or code").fill(sign_in_link(site))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    assert page.url == wanted


async def test_the_console_works_below_a_root_path_and_in_another_locale(make_site: OpenSite, visitor: Visitor) -> None:
    with make_site(ROOT_PATH="/shares") as site:
        page = await visitor(trouble=True, locale="de-DE", timezone_id="Asia/Kathmandu")
        await page.goto(sign_in_link(site))
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        for user in ("anna", "bert"):
            site.share("abc", "twitter", "facebook", "whatsapp", "linkedin", user=user)
        await page.get_by_role("link", name="Content", exact=True).click()
        await page.get_by_role("link", name="abc").click()
        await expect(page.locator(".figure")).to_have_text("8")
        await expect(page.get_by_text(re.compile(r"last changed \d\d\.\d\d\.\d{4}"))).to_be_visible()
        await expect(page.get_by_text("8 made, 0 withdrawn · Asia/Kat")).to_be_visible()
        await page.reload()
        await expect(page).to_have_url(f"{site.base}/console/content/video/abc")


async def test_the_menu_shows_only_permitted_views(console: Console) -> None:
    page = await console("/console", scope="audit")
    ways = page.get_by_role("navigation", name="Console").get_by_role("link")
    await expect(ways).to_have_text(["Content", "Audit"])
    await page.get_by_role("link", name="Go to Content").click()
    await expect(page.get_by_role("heading", name="Content", level=1)).to_be_focused()


@pytest.mark.parametrize(("path", "deed"), [("/keys", "New key"), ("/dead", "Replay")])
async def test_a_forbidden_view_offers_no_actions(console: Console, path: str, deed: str) -> None:
    page = await console(f"/console{path}", scope="audit", trouble=True)
    await expect(page.get_by_role("alert")).to_contain_text("admin")
    await expect(page.get_by_role("button", name=deed)).to_have_count(0)


async def test_an_unknown_path_shows_the_console_not_found_page(console: Console) -> None:
    page = await console("/console/nowhere", trouble=True)
    await expect(page.get_by_role("heading", name="Not found", level=1)).to_be_visible()
    await page.get_by_role("link", name="Go to the overview").click()
    await expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


@pytest.mark.parametrize("path", ["", "/content", "/links?new=1", "/audit", "/dead", "/keys"])
async def test_every_view_is_accessible(console: Console, path: str) -> None:
    page = await console(f"/console{path}", viewport=WIDE)
    await settled(page)
    assert await accessibility_violations(page) == []
    await page.set_viewport_size(NARROW)
    assert await overflow(page) <= 0


async def settled(page: Page) -> None:
    """Everything that was requested has arrived."""
    await expect(page.get_by_label("Loading")).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"\S"))
