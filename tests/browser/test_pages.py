"""The pages that the service serves: nothing on them is broken, nothing keeps anybody out."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.browser.axe import complaints
from tests.browser.conftest import Visitor
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 780}


PART = "header, nav > a, #postVideosVideoIdShare, #ShareBody"  # of a page of hundreds of sections


@pytest.mark.parametrize(("path", "within"), [("/docs", PART), ("/problems/gone", "html")])
async def test_nothing_serious_is_found_on_a_page(site: Site, visitor: Visitor, path: str, within: str) -> None:
    page = await visitor(viewport=WIDE, color_scheme="light")
    await page.goto(f"{site.base}{path}")
    assert await complaints(page, within=within) == []
    await page.emulate_media(color_scheme="dark")
    assert await complaints(page, "color-contrast", within=within) == []


@pytest.mark.parametrize("path", ["/docs", "/problems/gone"])
async def test_a_page_fits_the_smallest_telephone(site: Site, visitor: Visitor, path: str) -> None:
    page = await visitor(viewport=NARROW)
    await page.goto(f"{site.base}{path}")
    assert await overflow(page) <= 0


async def overflow(page: Page) -> int:
    """Pixels that the page is wider than its window."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found
