"""The console under somebody's hands: fast and slow typing, the focus after each dialog, the place on a long page."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.axe import accessibility_violations
from tests.browser.console import NARROW, WIDE, Console
from tests.browser.site import Site
from tests.browser.test_pages import overflow

pytestmark = pytest.mark.anyio

LONG = "c" * 64


async def test_two_filter_fields_filled_quickly_both_apply(site: Site, console: Console, video: str) -> None:
    page = await console("/console/audit", viewport=WIDE)
    await page.get_by_label("Content id").fill(video)
    await page.get_by_label("User").fill("bert")
    await expect(page).to_have_url(f"{site.base}/console/audit?contentId={video}&userId=bert")
    await expect(page.get_by_label("Content id")).to_have_value(video)


async def test_a_time_is_typed_digit_by_digit(site: Site, console: Console) -> None:
    page = await console("/console/audit", viewport=WIDE)
    await page.get_by_label("From").focus()
    await page.keyboard.type("112020261030a")
    await expect(page).to_have_url(f"{site.base}/console/audit?from=2026-11-20T10%3A30%3A00%2B01%3A00")
    await page.get_by_label("To").focus()
    await page.get_by_label("From").focus()
    for key in ("ArrowRight", "ArrowRight", "2"):
        await page.keyboard.press(key)
    await page.wait_for_timeout(500)  # as long as it takes to look for the next key: a year of one digit is none
    await page.keyboard.type("025")
    await expect(page).to_have_url(f"{site.base}/console/audit?from=2025-11-20T10%3A30%3A00%2B01%3A00")
    await expect(page.get_by_label("From")).to_have_value("2025-11-20T10:30")


@pytest.mark.parametrize("way", ["Cancel", "Close", "Escape"])
async def test_focus_returns_after_a_dialog_closes(console: Console, video: str, way: str) -> None:
    page = await console(f"/console/content/video/{video}", viewport=WIDE)
    edit = page.get_by_role("button", name="Edit")
    await edit.press("Enter")
    await expect(page.get_by_label("Title")).to_be_focused()
    await left(page, way)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(edit).to_be_focused()


async def left(page: Page, way: str) -> None:
    if way == "Escape":
        await page.keyboard.press("Escape")
    else:
        await page.get_by_role("dialog").get_by_role("button", name=way).click()


async def test_focus_stays_in_the_table_when_its_button_is_removed(console: Console, video: str) -> None:
    page = await console("/console/keys", viewport=WIDE)
    await page.get_by_role("button", name="New key").click()
    await page.get_by_label("Name", exact=True).fill(video)
    await page.get_by_role("button", name="Create key").click()
    await page.get_by_role("button", name="I have copied it").click()
    await page.get_by_role("button", name=f"Revoke {video}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(page.get_by_role("row", name=video)).to_contain_text("revoked")
    await expect(page.get_by_role("region", name="Keys").and_(page.locator(".table"))).to_be_focused()


async def test_a_long_list_keeps_its_scroll_position(site: Site, console: Console, video: str) -> None:
    many(site, video)
    page = await console(f"/console/audit?contentId={video}", viewport=WIDE)
    line = page.get_by_role("link", name="the history of its record").nth(40)
    await expect(line).to_be_visible()
    assert await accessibility_violations(page) == []
    await line.focus()
    before = await scrolled(page)
    assert before > 0
    await line.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await scrolled(page) == before
    await page.keyboard.press("Escape")
    await expect(line).to_be_focused()
    assert await scrolled(page) == before

    await page.get_by_role("link", name="Older").click()
    await expect(page.get_by_text("2 lines", exact=True)).to_be_visible()
    await expect(page.get_by_role("heading", name="Audit")).to_be_focused()
    assert await scrolled(page) == 0


def many(site: Site, video: str) -> None:
    """Fifty-two lines of the audit."""
    for n in range(13):
        site.share(video, "twitter", "whatsapp", "facebook", "linkedin", user=f"reader-{n}")


async def scrolled(page: Page) -> int:
    found: int = await page.evaluate("Math.round(scrollY)")
    return found


async def test_the_longest_names_fit_the_smallest_telephone(site: Site, console: Console, video: str) -> None:
    for n in range(9):
        link = {"contentType": "video", "contentId": video, "channelId": f"{LONG[1:]}{n}"}
        site.request("POST", "/share-links", link, user="maria")
    site.request("POST", "/keys", {"name": f"{LONG[:40]}-{video}", "scopes": ["shares"]}, user="maria", scope="admin")
    for path in (f"/content/video/{video}", "/keys", f"/links?contentId={video}"):
        page = await console(f"/console{path}", viewport={**NARROW, "width": 360})
        await expect(page.get_by_label("Loading")).to_have_count(0)
        await expect(page.get_by_text("ccc").filter(visible=True).first).to_be_visible()
        assert await overflow(page) <= 0, path


async def test_a_chart_shows_no_more_channels_than_colours(site: Site, console: Console, video: str) -> None:
    for n in range(12):
        link = {"contentType": "video", "contentId": video, "channelId": f"channel-{n}"}
        site.request("POST", "/share-links", link, user="maria")
    page = await console(f"/console/content/video/{video}", viewport=WIDE)
    legend = page.get_by_role("region", name="Over time").locator(".legend-item")
    await expect(legend).to_have_count(7)
    await expect(legend.last).to_have_text("other6")


async def test_a_name_is_written_in_its_own_direction(site: Site, console: Console, video: str) -> None:
    title = "عنوان (جزء ٢)!"
    site.request("PUT", f"/content/video/{video}", {"title": title}, user="maria", scope="admin")
    page = await console(f"/console/content?query={video}")
    found = page.get_by_text(title)
    assert await direction(found) == "rtl"
    await found.click()
    assert await direction(page.get_by_role("heading", name=title)) == "rtl"


async def direction(text: Locator) -> str:
    found: str = await text.evaluate("(element) => getComputedStyle(element).direction")
    return found
