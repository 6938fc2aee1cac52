"""The demo page, as a first visitor sees it: a click leaves four traces, and every other window sees the count move."""

from __future__ import annotations

import re
from collections.abc import Iterator

import anyio
import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.axe import accessibility_violations
from tests.browser.conftest import OpenSite, Visitor
from tests.browser.embedding_page import block_service
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
TIDE, MOONS, TRAIN = "low-tide", "paper-moons", "night-train"


@pytest.fixture(scope="module")
def demo(make_site: OpenSite) -> Iterator[Site]:
    """A service that no other test uses."""
    with make_site() as site:
        yield site


async def opened(page: Page, demo: Site, user: str = "") -> None:
    """The demo, as this user or signed out; the share pages of platforms are stand-ins."""
    await block_service(page)
    await page.goto(f"{demo.base}/demo{f'#token={demo.token(user)}' if user else ''}")
    await expect(page.locator("#pulse")).to_have_text("Live")


def card(page: Page, video: str) -> Locator:
    return page.locator(f"[data-video={video}]")


def count(page: Page, video: str) -> Locator:
    return card(page, video).locator("share-buttons .n > span").first


async def test_a_share_moves_the_number_in_every_window_and_taken_back_it_moves_back(
    demo: Site, visitor: Visitor
) -> None:
    anna, ben = await visitor(), await visitor()
    await opened(anna, demo, "anna")
    await opened(ben, demo, "ben")
    assert "token" not in anna.url
    await expect(count(ben, TIDE)).to_have_text("0 shares")
    async with anna.context.expect_page() as popup:
        await card(anna, TIDE).get_by_role("link", name="Share on WhatsApp").click()
    assert (await popup.value) is not anna
    for page in (anna, ben):
        await expect(count(page, TIDE)).to_have_text("1 share")
        await expect(card(page, TIDE).locator(".legend")).to_have_text("WhatsApp 1")
        await expect(card(page, TIDE).locator(".proof")).to_contain_text("ledger 1")
    traces = anna.locator(".happening").first.locator("[data-trace]")
    await expect(traces).to_have_text(
        [
            "Recordsuccess, declared",
            re.compile("Auditshared, line [0-9a-f]{6}"),
            "Eventburned, none pending",
            "Counted1 share, drift 0",
        ]
    )
    await expect(ben.locator(".happening").first).to_contain_text("Shared elsewhere")
    await card(anna, TIDE).get_by_role("button", name="Take back your share").click()
    for page in (anna, ben):
        await expect(count(page, TIDE)).to_have_text("0 shares")
    await expect(anna.locator(".happening")).to_have_count(2)
    await expect(anna.locator(".happening").first).to_contain_text("Taken back")
    await expect(card(anna, TIDE).locator(".yours")).to_have_text("Not shared by you yet")


async def test_a_visitor_can_stay_on_the_page(demo: Site, visitor: Visitor) -> None:
    page = await visitor(reduced_motion="reduce")  # what fades in has no contrast yet
    await opened(page, demo, "carla")
    await page.get_by_text("Open share pages").click()
    await card(page, MOONS).get_by_role("link", name="Share on LinkedIn").click()
    await expect(count(page, MOONS)).to_have_text("1 share")
    assert len(page.context.pages) == 1
    await card(page, MOONS).get_by_role("link", name="Share on LinkedIn, shared by you").click()
    await expect(page.locator(".happening").first.locator("[data-trace]")).to_have_text(
        ["Recordit was shared already", "Auditno new line", "Eventnone", "Countednot counted again"]
    )
    await expect(count(page, MOONS)).to_have_text("1 share")
    await page.reload()
    await expect(card(page, MOONS).locator(".yours")).to_have_text("YoursLinkedIn×")
    assert await accessibility_violations(page) == []


async def test_a_copied_link_leaves_its_four_traces_too(demo: Site, visitor: Visitor) -> None:
    page = await visitor(permissions=["clipboard-read", "clipboard-write"])
    await opened(page, demo, "dora")
    await card(page, TRAIN).get_by_role("button", name="Copy link").click()
    newest = page.locator(".happening").first
    await expect(newest).to_contain_text("Copied link")
    await expect(newest.locator("[data-trace]")).to_have_text(
        [
            "Recordsuccess, declared",
            re.compile("Auditshared, line [0-9a-f]{6}"),
            "Eventburned, none pending",
            "Counted1 share, drift 0",
        ]
    )
    await expect(newest.locator("[data-state=good]")).to_have_count(4)
    await expect(card(page, TRAIN).locator(".legend")).to_have_text("Copied link 1")
    assert await page.evaluate("navigator.clipboard.readText()") == f"{demo.base}/demo#{TRAIN}"
    await page.reload()
    await card(page, TRAIN).get_by_role("button", name="Take back your share").click()
    await expect(count(page, TRAIN)).to_have_text("0 shares")


async def test_signed_out_the_demo_shows_counts_and_how_to_sign_in(demo: Site, visitor: Visitor) -> None:
    page = await visitor(viewport={"width": 360, "height": 780})
    await opened(page, demo)
    await expect(page.locator("#no-token")).to_contain_text("sharetally token --user demo")
    await expect(count(page, TRAIN)).to_have_text("0 shares")
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert await accessibility_violations(page) == []


async def test_the_page_shows_when_the_service_stops_and_returns(demo: Site, visitor: Visitor) -> None:
    page = await visitor(trouble=True)
    await opened(page, demo, "emil")
    await page.context.set_offline(True)
    await expect(page.locator("#pulse")).to_contain_text("does not answer")
    await page.context.set_offline(False)
    await expect(page.locator("#pulse")).to_have_text("Live")


async def test_availability_checks_leave_no_open_connection(demo: Site, visitor: Visitor) -> None:
    page = await visitor()
    await opened(page, demo, "gina")
    async with page.expect_response("**/health/live"):
        pass
    await page.wait_for_load_state("networkidle", timeout=10_000)


async def test_the_layout_does_not_shift_when_counts_arrive(demo: Site, visitor: Visitor) -> None:
    page = await visitor()
    asked, answer = anyio.Event(), anyio.Event()

    async def keep(route: Route) -> None:
        asked.set()
        await answer.wait()
        await route.continue_()

    await page.route("**/share-links/counts", keep)
    await page.route_web_socket("**/live", lambda socket: None)
    await page.goto(f"{demo.base}/demo#token={demo.token('finn')}")
    await asked.wait()
    await expect(page.locator("#pulse")).to_have_text("Live")
    await expect(card(page, TIDE).locator(".yours")).to_have_text("Not shared by you yet")  # all else is there
    button = card(page, TIDE).get_by_role("link", name="Share on X")
    before = await button.bounding_box()
    answer.set()
    await expect(count(page, TIDE)).to_contain_text("share")
    assert await button.bounding_box() == before
