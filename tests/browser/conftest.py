"""The browser, the people in it, and a service to visit. All tests of pages in a browser are in this folder.

`site` is a service as `sharetally serve` starts it, shared by the whole folder: each test uses content items and users
of its own. `visitor` opens a person's own browser window, which shares nothing with others. Faults of a page (script
errors, violations of the content policy) fail its test unless `visitor(trouble=True)` expects some.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.browser.chromium import chromium, options
from tests.browser.console import ALL_SCOPES, Console, Sessions
from tests.browser.posting import PostingSite, open_posting_site, serve_consent
from tests.browser.site import Site, open_site
from tests.conftest import report_untested
from tests.services.server import Unavailable

TIMEOUT = 10_000  # milliseconds; only what is broken takes so long


@pytest.fixture(scope="session")
def chromium_path(pytestconfig: pytest.Config) -> str:
    """The program; where there is none its tests are skipped, or fail with CI=true."""
    try:
        return chromium()
    except Unavailable as reason:
        report_untested(pytestconfig, f"Chromium: {reason}")
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("no Chromium; the end of the run says why")


@pytest.fixture(scope="package")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One browser for the whole folder; it is private windows that tests open in it."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium_path, args=options())
        try:
            yield running
        finally:
            await running.close()


OpenSite = Callable[..., AbstractContextManager[Site]]


@pytest.fixture(scope="session")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> OpenSite:
    """Starts a service with settings of the test's own, by their names without prefix."""

    @contextmanager
    def make(**settings: str) -> Iterator[Site]:
        with open_site(tmp_path_factory.mktemp("site"), **settings) as site:
            yield site

    return make


@pytest.fixture(scope="package")
def site(make_site: OpenSite) -> Iterator[Site]:
    """The service as it comes."""
    with make_site() as running:
        yield running


class Visitor(Protocol):
    """Opens a window of somebody's own; keywords are Playwright's for a context."""

    async def __call__(self, *, trouble: bool = False, **window: Any) -> Page: ...


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[Visitor]:
    """People with a browser each; in the end nothing was broken for any of them."""
    async with AsyncExitStack() as stack:

        async def opened(*, trouble: bool = False, **window: Any) -> Page:
            context = await stack.enter_async_context(_window(browser, trouble=trouble, **window))
            return await context.new_page()

        yield opened


@asynccontextmanager
async def _window(browser: Browser, *, trouble: bool, **window: Any) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin", **window})
    context.set_default_timeout(TIMEOUT)
    broken: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            broken.append(message.text)

    context.on("console", heard)
    context.on("weberror", lambda error: broken.append(str(error.error)))
    try:
        yield context
        if not trouble:
            assert broken == []
    finally:
        await context.close()


@pytest.fixture(scope="package")
def sessions(site: Site) -> Sessions:
    """Cookies of people who signed in to the console, by their scopes: each signs in once for the whole folder."""
    return Sessions(site)


@pytest.fixture
async def console(site: Site, visitor: Visitor, sessions: Sessions) -> Console:
    """Opens an address of the console for somebody who is signed in."""

    async def opened(path: str, *, scope: str = ALL_SCOPES, **window: Any) -> Page:
        page = await visitor(storage_state=sessions.state(scope), **window)
        await page.goto(f"{site.base}{path}")
        return page

    return opened


@pytest.fixture(scope="package")
async def posting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostingSite]:
    """A service that can post, with a fake Mastodon server."""
    async with open_posting_site(tmp_path_factory.mktemp("posting")) as running:
        yield running


@pytest.fixture(scope="package")
def posting_sessions(posting: PostingSite) -> Sessions:
    """People who signed in to its console."""
    return Sessions(posting.site)


@pytest.fixture
async def posting_console(posting: PostingSite, visitor: Visitor, posting_sessions: Sessions) -> Console:
    """Opens an address of its console for a user who is signed in; `clock` lets the test move the page's time."""

    async def opened(path: str, *, user: str, scope: str = "shares", clock: bool = False, **window: Any) -> Page:
        page = await visitor(storage_state=posting_sessions.state(scope, user), **window)
        await serve_consent(page.context, posting.mastodon)
        if clock:
            await page.clock.install()
        await page.goto(f"{posting.site.base}/console{path}")
        return page

    return opened


@pytest.fixture
def video() -> str:
    """An id that no other test has."""
    return f"v-{token_hex(6)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory for downloads."""
    return tmp_path
