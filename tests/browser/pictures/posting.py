"""The console's posts and accounts, from a service of their own that can post."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from sharetally.domain.post import Post, PostStatus
from tests.browser.console import ALL_SCOPES, Sessions
from tests.browser.pictures.camera import Camera
from tests.browser.pictures.console import there
from tests.browser.posting import add_account, add_posts, database_of, post, posting_service

BASE = "https://shares.example.com"
NOBODY = "http://localhost:9"  # the address of no server: nothing is posted for a picture
NOW = datetime.now(UTC)
LOST = "the platform has ended the permission to post: connect the account again, then retry"
TOO_LONG = "the text has 3,120 characters, and LinkedIn allows 3,000: shorten it"
SLOW = "social.example answered 503; it is tried again"


async def take(folder: Path, browser: Browser) -> None:
    """Posts in every state, accounts, and the dialogs that ask something."""
    with posting_service(folder, NOBODY) as site:
        database = database_of(site)
        await add_posts(database, list(posts()))
        mastodon = await add_account(database, "@mara@social.example", server="https://social.example")
        await add_account(database, "@the_shop@social.example", external_id="2", server="https://social.example")
        await add_account(database, "mara.bsky.social", platform="bluesky", server="https://bsky.social", expired=True)
        await add_account(database, "Mara Lund", platform="linkedin")
        site.request("PATCH", f"/accounts/{mastodon}", {"label": "The newsroom"}, user="maria")
        camera = Camera(browser, storage_state=Sessions(site).state(ALL_SCOPES))
        await camera.take("console-posts", f"{site.base}/console/posts", there)
        await camera.take("console-post-decision", f"{site.base}/console/posts?status=unknown", there, decided)
        await camera.take("console-accounts", f"{site.base}/console/accounts", there)
        await camera.take("console-account-connect", f"{site.base}/console/accounts", there, connecting)


async def decided(page: Page) -> None:
    """About to say that a post is there."""
    await page.get_by_role("button", name="It is there").click()


async def connecting(page: Page) -> None:
    """About to go to a Mastodon server."""
    await page.get_by_role("button", name="Mastodon", exact=True).click()
    await page.get_by_label("Server").fill("social.example")


def posts() -> Iterator[Post]:
    """The newest one comes last."""

    def one(content: str, status: PostStatus, text: str, hours: float, **changes: Any) -> Post:
        made = post(BASE, content, status, text, **changes)
        at = NOW - timedelta(hours=hours)
        return made._replace(created_at=at, finished_at=at if made.finished_at else None)

    sent = PostStatus.SUCCESS
    yield one("marmots-in-spring", sent, "The marmots are awake", 50, external_url="https://social.example/@mara/1")
    yield one("a-bridge-of-wood", PostStatus.CANCELLED, "How a bridge is built of wood", 49)
    yield one(
        "seven-quiet-hikes",
        PostStatus.FAILED,
        "Seven quiet hikes, with maps, places to sleep, and how to get there by train. " * 40,
        30,
        platform="linkedin",
        error_code="text-too-long",
        error_message=TOO_LONG,
    )
    yield one("ep-112", sent, "Queues all the way down", 28, user="anna", external_url="https://social.example/@anna/2")
    failed = {"platform": "bluesky", "error_code": "needs-reauth", "error_message": LOST}
    yield one("open-day-2027", PostStatus.FAILED, "Come and see us: {url} Bring a friend.", 20, **failed)
    yield one("how-bread-rises", PostStatus.UNKNOWN, "Flour, water, salt, time", 3, attempted_at=NOW)
    ahead = NOW + timedelta(days=3)
    yield one("open-day-2028", PostStatus.PENDING, "Save the date", 2, platform="linkedin", scheduled_at=ahead)
    yield one("low-tide", PostStatus.PENDING, "Low tide at six", 0.2, error_message=SLOW)
    yield one("night-train", PostStatus.SENDING, "The night train is back", 0, user="anna", attempted_at=NOW)
