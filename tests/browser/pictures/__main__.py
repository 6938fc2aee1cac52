"""`make pictures`: a service, filled with what could be real, and a picture of each of its pages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import async_playwright

from tests.browser.chromium import chromium, options
from tests.browser.pictures import console, demo, posting
from tests.browser.site import open_site

CONTENT_URLS = '{"video": "https://videos.example.com/{contentId}", "article": "https://news.example.com/{contentId}"}'


async def main() -> None:
    """Take them all."""
    with (
        TemporaryDirectory() as folder,
        TemporaryDirectory() as posting_folder,
        open_site(Path(folder), CONTENT_URLS=CONTENT_URLS) as site,
    ):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium(), args=options())
            await console.take(site, browser)
            await demo.take(site, browser)
            await posting.take(Path(posting_folder), browser)
            await browser.close()


asyncio.run(main())
