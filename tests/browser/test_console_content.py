"""Content items and links in the console: a count that changes while shown, and a link from creation to deletion."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import accessibility_violations
from tests.browser.conftest import Visitor
from tests.browser.console import WIDE, Console
from tests.browser.site import Site

pytestmark = pytest.mark.anyio


async def test_a_content_is_found_by_its_title(site: Site, console: Console, video: str) -> None:
    site.share(video)
    page = await console("/console/content")
    await page.get_by_label("Id or title").fill(video[:10])
    await page.get_by_role("link", name=video).click()
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Title").fill("Marmots in spring")
    assert await accessibility_violations(page) == []
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Marmots in spring")).to_be_visible()
    await page.goto(f"{site.base}/console/content?query=MARM+spring")
    await expect(page.get_by_role("link", name=f"Marmots in spring video · {video}")).to_be_visible()


async def test_saving_a_title_stores_no_url(console: Console, video: str) -> None:
    page = await console(f"/console/content/video/{video}")
    await page.get_by_role("button", name="Edit").click()
    address = page.get_by_label("Address")
    await expect(address).to_have_value("")
    await expect(address).to_have_attribute("placeholder", f"https://www.youtube.com/watch?v={video}")
    await page.get_by_label("Title").fill("Marmots at home")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Marmots at home")).to_be_visible()
    assert await _source(page, video) == "settings"
    await page.get_by_role("button", name="Edit").click()
    await address.fill("https://shop.example/marmots")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("link", name="Open")).to_have_attribute("href", "https://shop.example/marmots")
    assert await _source(page, video) == "own"
    await page.get_by_role("button", name="Edit").click()
    await expect(address).to_have_value("https://shop.example/marmots")


async def _source(page: Page, video: str) -> object:
    """Where the service says that the address comes from."""
    said = await page.evaluate("async (path) => (await fetch(path)).json()", f"/content/video/{video}")
    return said["urlSource"]


async def test_the_count_updates_live(site: Site, console: Console, video: str) -> None:
    site.share(video, user="anna")
    page = await console(f"/console/content/video/{video}")
    shares = page.get_by_role("region", name="Shares", exact=True).locator(".figure")
    await expect(shares).to_have_text("1")
    await page.get_by_text("cells, as of").click()
    site.share(video, "twitter", "whatsapp", user="bert")
    await expect(shares).to_have_text("3")
    await expect(page.get_by_role("region", name="By channel")).to_contain_text(re.compile("twitter2.*whatsapp1"))
    await page.get_by_role("button", name="Prove again").click()
    await expect(page.get_by_role("row", name="channel:whatsapp")).to_have_text("channel:whatsapp1010")
    assert await accessibility_violations(page) == []


async def test_a_share_appears_on_the_overview_immediately(site: Site, console: Console, video: str) -> None:
    page = await console("/console", viewport=WIDE)
    chart = page.get_by_role("region", name="Shares per minute")
    await expect(chart.get_by_role("img")).to_be_visible()
    site.share(video, "linkedin")
    await expect(chart).to_contain_text("linkedin")
    assert await accessibility_violations(page) == []


async def test_a_link_from_its_making_to_its_end(site: Site, console: Console, visitor: Visitor, video: str) -> None:
    page = await console(f"/console/content/video/{video}", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_role("link", name="New link").click()
    await page.get_by_label("Channel").fill("newsletter")
    await page.get_by_role("button", name="Create link").click()
    sheet = page.get_by_role("dialog")
    address = await sheet.get_by_role("link").first.get_attribute("href") or ""
    await sheet.get_by_role("button", name="Copy").click()
    assert await page.evaluate("navigator.clipboard.readText()") == address
    await expect(sheet.get_by_role("img", name=f"QR code of {address}")).to_be_visible()
    assert await accessibility_violations(page) == []

    await sheet.get_by_role("button", name="Edit").click()
    await sheet.get_by_label("Campaign").fill("spring")
    await page.get_by_role("button", name="Save").click()
    await expect(sheet).to_contain_text("spring")
    assert (await counted(site, video))["campaign"] == {"spring": 1}

    await sheet.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete link").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_text(address.rsplit("/", 1)[1])).to_have_count(0)


async def counted(site: Site, video: str) -> dict[str, dict[str, int]]:
    """The breakdown, with everything that is committed."""
    said = site.request("GET", f"/share-links/count/video/{video}?consistent=true", user="anna")
    found: dict[str, dict[str, int]] = said["breakdown"]
    return found


async def test_a_qr_code_can_be_downloaded(console: Console, site: Site, video: str) -> None:
    link = site.request("POST", "/share-links", {"contentType": "video", "contentId": video}, user="maria")
    page = await console(f"/console/links/{link['id']}")
    for name, begins in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        assert (await downloaded(page, name)).startswith(begins)


async def downloaded(page: Page, name: str) -> bytes:
    """What the button gives."""
    async with page.expect_download() as found:
        await page.get_by_role("button", name=name).click()
    path = await (await found.value).path()
    return path.read_bytes()
