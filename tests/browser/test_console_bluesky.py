"""Bluesky in the console, with a real server: its own pages ask the user, and what is posted is really there.

To the browser the service is `127.0.0.1` and the Bluesky server is `localhost`: two sites, as in real life.
"""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from anyio import to_thread
from playwright.async_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.console import WIDE, Sessions
from tests.browser.posting import posting_service
from tests.browser.site import Site
from tests.browser.test_console_accounts import rows
from tests.browser.test_console_posts import row
from tests.platforms.conftest import pds
from tests.platforms.pds.server import MAIN_PASSWORD, PersonalDataServer, User

__all__ = ["pds"]
pytestmark = pytest.mark.anyio
PATIENCE = 30_000  # milliseconds; the pages of a real server on a busy machine


@pytest.fixture(scope="module")
def site(pds: PersonalDataServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service on the loopback, which is a client for development to the server, that posts to Bluesky alone."""
    settings = {
        "SHARE_PLATFORMS": "bluesky",
        "POST_PLATFORMS": "bluesky",
        "BLUESKY_SERVER": pds.url,
        "BLUESKY_DIRECTORY": pds.directory,
    }
    with posting_service(tmp_path_factory.mktemp("bluesky"), f"{pds.url},{pds.directory}", **settings) as running:
        yield running


@pytest.fixture
def person(pds: PersonalDataServer) -> User:
    """Somebody with an account on the server."""
    return pds.new_user()


async def sign_in_at_server(page: Page, site: Site, pds: PersonalDataServer, person: User) -> None:
    """From the console's accounts to the question of the server whether the user agrees."""
    await page.goto(f"{site.base}/console/accounts")
    await expect(page.get_by_text("No accounts yet")).to_be_visible()
    await page.get_by_role("button", name="Bluesky", exact=True).click()
    await page.get_by_label("Handle").fill(person.handle)
    await page.get_by_role("button", name="Go to Bluesky").click()
    await page.get_by_role("textbox", name="Password").fill(MAIN_PASSWORD, timeout=PATIENCE)
    assert page.url.startswith(f"{pds.url}/oauth/authorize?")
    await expect(page.get_by_text(person.handle).or_(page.locator(f'input[value="{person.handle}"]'))).to_be_visible()
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("wants to access your")).to_be_visible(timeout=PATIENCE)


async def test_an_account_is_connected_on_the_server_s_own_page_and_a_post_appears_there(
    pds: PersonalDataServer, site: Site, person: User, visitor: Visitor, video: str
) -> None:
    user = f"user-{token_hex(4)}"
    page = await visitor(storage_state=Sessions(site).state("shares", user), viewport=WIDE)
    await sign_in_at_server(page, site, pds, person)
    await page.get_by_role("button", name="Authorize").click()
    await expect(page.get_by_role("status").filter(has_text="is connected")).to_be_visible(timeout=PATIENCE)
    assert page.url.startswith(f"{site.base}/console/accounts?connected=")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text([person.handle])
    await expect(rows(page).get_by_text("connected", exact=True)).to_be_visible()

    def share() -> Any:
        body = {"platforms": ["bluesky"], "mode": "server_post", "text": "Worth a look {url}"}
        return site.request("POST", f"/videos/{video}/share", body, user=user)

    await to_thread.run_sync(share)
    await page.get_by_role("link", name="Posts").click()
    await expect(row(page, video)).to_contain_text("success", timeout=PATIENCE)
    (post,) = (await to_thread.run_sync(lambda: site.request("GET", "/posts", user=user)))["items"]
    texts = [each["text"] for each in await to_thread.run_sync(pds.records, person)]
    assert texts == [f"Worth a look {post['shortUrl']}"]
    link = await row(page, video).get_by_role("link", name="View post").get_attribute("href")
    shown = await page.context.request.get(link or "")
    assert (await shown.json())["value"]["text"] == texts[0], "the link leads to the post on that server"


async def test_whoever_denies_access_on_the_server_s_own_page_finds_the_way_back(
    pds: PersonalDataServer, site: Site, person: User, visitor: Visitor
) -> None:
    session = Sessions(site).state("shares", f"user-{token_hex(4)}")
    page = await visitor(storage_state=session, viewport=WIDE, trouble=True)  # the browser gets a 403
    await sign_in_at_server(page, site, pds, person)
    await page.get_by_role("button", name="Deny access").click()
    await expect(page.get_by_role("heading", name="The account was not connected")).to_be_visible(timeout=PATIENCE)
    await page.get_by_role("link", name="Back to your accounts").click()
    await expect(page.get_by_text("No accounts yet")).to_be_visible()
