"""Accounts in the console: connected through a platform's own page, labelled, connected again, and disconnected."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, Route, ViewportSize, expect

from tests.browser.axe import accessibility_violations
from tests.browser.console import ALL_SCOPES, WIDE, Console
from tests.browser.posting import PostingSite, add_account
from tests.browser.test_pages import overflow
from tests.fakes.api_server import Fault
from tests.fakes.mastodon import UNAVAILABLE, USER_ID

pytestmark = pytest.mark.anyio
SMALL: ViewportSize = {"width": 360, "height": 780}


def rows(page: Page) -> Locator:
    """The accounts, without the head of the table."""
    return page.get_by_role("region", name="Accounts").get_by_role("row").filter(has=page.get_by_role("cell"))


async def name_server(page: Page, posting: PostingSite) -> None:
    """Go to the Mastodon server, where the user is asked."""
    await page.get_by_role("button", name="Mastodon", exact=True).click()
    await page.get_by_label("Server").fill(posting.server)
    await page.get_by_role("button", name="Go to Mastodon").click()


async def connect(page: Page, posting: PostingSite) -> None:
    """Connect an account on the Mastodon server, as its user does."""
    await name_server(page, posting)
    await page.get_by_role("link", name="Authorise").click()
    await expect(page.get_by_role("status").filter(has_text="is connected")).to_be_visible()


async def test_an_account_is_connected_at_its_server_and_the_user_comes_back(
    posting: PostingSite, posting_console: Console
) -> None:
    page = await posting_console("/accounts", user="ada", viewport=WIDE)
    await expect(page.get_by_text("No accounts yet")).to_be_visible()
    assert await accessibility_violations(page) == []
    await page.get_by_role("button", name="Mastodon", exact=True).click()
    await expect(page.get_by_label("Server")).to_be_focused()
    assert await accessibility_violations(page) == []
    await page.keyboard.press("Escape")
    await connect(page, posting)
    assert page.url.startswith(f"{posting.site.base}/console/accounts?connected=")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text(["connected"])
    await expect(rows(page)).to_contain_text([f"@mara@{posting.server.partition('//')[2]}"])
    cookies = [cookie["name"] for cookie in await page.context.cookies(posting.site.base)]
    assert cookies == ["sharetally-console"], "the cookie of the connection is gone"
    await page.get_by_role("button", name="Close").click()
    await expect(page).to_have_url(f"{posting.site.base}/console/accounts")


async def test_whoever_declines_finds_the_way_back(posting: PostingSite, posting_console: Console) -> None:
    page = await posting_console("/accounts", user="ben", trouble=True)  # the browser gets a 403
    await name_server(page, posting)
    await page.get_by_role("link", name="Deny").click()
    await expect(page.get_by_role("heading", name="The account was not connected")).to_be_visible()
    assert await accessibility_violations(page) == []
    await page.get_by_role("link", name="Back to your accounts").click()
    await expect(page.get_by_text("No accounts yet")).to_be_visible()


async def test_the_default_and_the_label_are_changed(posting: PostingSite, posting_console: Console) -> None:
    for handle in ("first@one.example", "second@two.example"):
        await add_account(posting.database, handle, user="cleo", server=f"https://{handle.partition('@')[2]}")
    page = await posting_console("/accounts", user="cleo", viewport=WIDE)
    first, second = (rows(page).filter(has_text=name) for name in ("first@one.example", "second@two.example"))
    await expect(first).to_contain_text("default")
    await page.get_by_role("button", name="Make default: second@two.example").click()
    await expect(page.get_by_role("status").filter(has_text="second@two.example from now on")).to_be_visible()
    await expect(second.get_by_text("default", exact=True)).to_be_visible()
    await expect(first.get_by_text("default", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Label first@one.example").click()
    await page.get_by_role("textbox", name="Label").fill("The shop")
    assert await accessibility_violations(page) == []
    await page.get_by_role("button", name="Save").click()
    await expect(first).to_contain_text("The shop")
    await page.get_by_role("button", name="Label first@one.example").click()
    await expect(page.get_by_role("textbox", name="Label")).to_have_value("The shop")
    await page.get_by_role("textbox", name="Label").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(first).not_to_contain_text("The shop")


async def test_an_account_that_lost_its_permission_stands_out_and_is_connected_again(
    posting: PostingSite, posting_console: Console
) -> None:
    await add_account(posting.database, "mara", user="dora", external_id=USER_ID, server=posting.server, expired=True)
    page = await posting_console("/accounts", user="dora", viewport=WIDE)
    await expect(page.get_by_text("One account has to be connected again")).to_be_visible()
    await expect(rows(page)).to_contain_text(["connect again"])
    assert await accessibility_violations(page) == []
    await page.get_by_role("button", name="Reconnect mara").click()
    await expect(page.get_by_label("Server")).to_have_value(posting.server)
    await page.get_by_role("button", name="Go to Mastodon").click()
    await page.get_by_role("link", name="Authorise").click()
    await expect(rows(page)).to_contain_text(["connected"])
    await expect(page.get_by_text("has to be connected again")).to_have_count(0)
    await expect(page.get_by_role("button", name=re.compile("Reconnect"))).to_have_count(0)


async def test_disconnecting_gives_the_permission_back(posting: PostingSite, posting_console: Console) -> None:
    page = await posting_console("/accounts", user="emil", viewport=WIDE)
    await connect(page, posting)
    granted = set(posting.mastodon.grants.access)
    await page.get_by_role("button", name="Disconnect").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(rows(page)).to_have_count(1)
    await page.get_by_role("button", name="Disconnect").click()
    await page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_text("No accounts yet")).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="is disconnected")).to_be_visible()
    assert len(granted - posting.mastodon.grants.access) == 1


async def test_an_account_is_disconnected_though_its_server_is_down(
    posting: PostingSite, posting_console: Console
) -> None:
    page = await posting_console("/accounts", user="fay", viewport=WIDE, trouble=True)  # the browser gets a 502
    await connect(page, posting)
    posting.mastodon.fail("revoke", *[Fault(carried_out=False, reply=UNAVAILABLE)] * 2)
    await page.get_by_role("button", name="Disconnect").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("checkbox")).to_have_count(0)
    await dialog.get_by_role("button", name="Disconnect").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("nothing was deleted")
    assert await accessibility_violations(page) == []
    await dialog.get_by_role("checkbox").check()
    await dialog.get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_text("No accounts yet")).to_be_visible()


async def test_a_server_that_cannot_be_reached_is_reported_in_the_dialog(posting_console: Console) -> None:
    page = await posting_console("/accounts", user="gus", viewport=WIDE, trouble=True)  # the browser gets a 409
    await page.get_by_role("button", name="Mastodon", exact=True).click()
    await page.get_by_label("Server").fill("not a server")
    await page.get_by_role("button", name="Go to Mastodon").click()
    await expect(page.get_by_role("alert")).to_contain_text("is not the name of a server")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Bluesky", exact=True).click()
    await expect(page.get_by_role("button", name="Go to Bluesky")).to_be_enabled()
    await page.get_by_role("button", name="With an app password").click()
    await page.get_by_label("Handle").fill("gus.example")
    await page.get_by_label("App password").fill("my real password")
    assert await accessibility_violations(page) == []
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("not an app password")


async def test_a_platform_with_one_server_is_one_click_away(posting: PostingSite, posting_console: Console) -> None:
    page = await posting_console("/accounts", user="hal")

    async def platform(route: Route) -> None:
        await route.fulfill(content_type="text/html", body="<!doctype html><h1>Sign in to LinkedIn</h1>")

    await page.context.route("https://www.linkedin.com/**", platform)
    await page.get_by_role("button", name="LinkedIn", exact=True).click()
    await expect(page.get_by_role("heading", name="Sign in to LinkedIn")).to_be_visible()
    assert "oauth%2Flinkedin%2Fcallback" in page.url


async def test_somebody_who_may_not_share_only_sees(posting: PostingSite, posting_console: Console) -> None:
    await add_account(posting.database, "ida@one.example", user="ida")
    page = await posting_console("/accounts", user="ida", scope="audit")
    await expect(rows(page)).to_have_count(1)
    await expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)


async def test_many_accounts_with_long_names_fit_a_telephone(posting: PostingSite, posting_console: Console) -> None:
    for n in range(12):
        await add_account(
            posting.database, f"{'n' * 200}{n}", user="jo", server=f"https://{'s' * 60}.example", expired=n % 2 > 0
        )
    page = await posting_console("/accounts", user="jo", viewport=WIDE)
    await expect(rows(page)).to_have_count(12)
    assert await accessibility_violations(page) == []
    await page.set_viewport_size(SMALL)
    assert await overflow(page) <= 0


async def test_accounts_that_cannot_be_loaded_can_be_tried_again(posting_console: Console) -> None:
    page = await posting_console("/posts", user="kim", trouble=True)
    await page.context.route("**/accounts", lambda route: route.abort())
    await page.get_by_role("link", name="Accounts").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not answer")
    await page.context.unroute("**/accounts")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("No accounts yet")).to_be_visible()


@pytest.mark.parametrize(
    ("scope", "views"),
    [("shares", ["Links", "Posts", "Accounts"]), ("audit", ["Content", "Audit"]), (ALL_SCOPES, None)],
)
async def test_the_menu_has_posts_and_accounts_for_those_who_may_use_them(
    posting_console: Console, scope: str, views: list[str] | None
) -> None:
    page = await posting_console("/links", user="lou", scope=scope, trouble=scope == "audit", viewport=SMALL)
    links = page.get_by_role("navigation", name="Console").get_by_role("link")
    all_views = ["Overview", "Content", "Links", "Posts", "Accounts", "Audit", "Dead letters", "Keys"]
    await expect(links).to_have_text(views or all_views)
    assert await overflow(page) <= 0


async def test_without_posting_the_menu_has_neither(console: Console) -> None:
    page = await console("/console/links", scope="shares")
    await expect(page.get_by_text("No links yet").or_(page.get_by_role("table"))).to_be_visible()
    await expect(page.get_by_role("navigation", name="Console").get_by_role("link")).to_have_text(["Links"])
    await page.goto(page.url.replace("links", "accounts"))
    await expect(page.get_by_text("No account can be connected here")).to_be_visible()
