"""The pages that the service serves: nothing on them is broken, nothing keeps anybody out."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.browser.axe import accessibility_violations
from tests.browser.conftest import Visitor
from tests.browser.console import WIDE
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
NARROW = {"width": 360, "height": 780}


FURTHER = "main section:not(#postVideosVideoIdShare, #ShareBody)"  # of hundreds that are made alike


@pytest.mark.parametrize("path", ["/docs", "/problems/gone"])
async def test_a_page_has_no_serious_accessibility_problem(site: Site, visitor: Visitor, path: str) -> None:
    page = await visitor(viewport=WIDE)
    await page.goto(f"{site.base}{path}")
    await page.evaluate("(further) => document.querySelectorAll(further).forEach((each) => each.remove())", FURTHER)
    assert await accessibility_violations(page) == []


@pytest.mark.parametrize("path", ["/docs", "/problems/gone"])
async def test_a_page_fits_the_smallest_telephone(site: Site, visitor: Visitor, path: str) -> None:
    page = await visitor(viewport=NARROW)
    await page.goto(f"{site.base}{path}")
    assert await overflow(page) <= 0


async def overflow(page: Page) -> int:
    """Pixels that the page is wider than its window."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found
