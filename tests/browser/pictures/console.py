"""The console's views.

Only the shares of each minute are made up where they are shown: the service would have to run for an hour to have them.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.browser.console import ALL_SCOPES, Sessions
from tests.browser.pictures.camera import Camera
from tests.browser.pictures.filling import PLATFORMS, WEIGHTS, fill
from tests.browser.site import Site


async def take(site: Site, browser: Browser) -> None:
    """Fill the service, then take every view."""
    await fill(site)
    camera = Camera(browser, storage_state=Sessions(site).state(ALL_SCOPES))
    for name, path in views(site):
        await camera.take(f"console-{name}", f"{site.base}/console{path}", there, prepare=minutes)
    await Camera(browser).take("console-sign-in", f"{site.base}/console/sign-in", there)


def views(site: Site) -> Iterator[tuple[str, str]]:
    """Every view by its name, with something to see."""
    line = site.request("GET", "/audit?action=revived&pageSize=1", user="maria", scope="audit")["items"][0]
    job = site.request("GET", "/dead", user="maria", scope="admin")["items"][0]
    link = site.request("GET", "/share-links?pageSize=1", user="maria")["items"][0]
    yield "overview", "?top=PT24H"
    yield "contents", "/content"
    yield "content", "/content/video/marmots-in-spring?span=30d"
    yield "links", "/links"
    yield "link", f"/links/{link['id']}"
    yield "audit", "/audit"
    yield "record", f"/audit/{line['recordId']}"
    yield "dead", "/dead"
    yield "dead-letter", f"/dead/{job['id']}"
    yield "keys", "/keys"


async def there(page: Page) -> None:
    """Everything that was requested has arrived."""
    await expect(page.get_by_role("heading").first).to_be_visible()
    await expect(page.get_by_label("Loading")).to_have_count(0)
    await page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")


async def minutes(context: BrowserContext) -> None:
    """An hour of shares, minute by minute."""

    def routed(page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def heard(message: str | bytes) -> None:
            page.send(json.dumps({"activity": list(_hour())}) if '"activity"' in str(message) else message)

        server.on_message(heard)

    await context.route_web_socket("**/live", routed)


def _hour() -> Iterator[dict[str, Any]]:
    rng = random.Random(3)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for ago in range(60):
        for channel, weight in zip((*PLATFORMS, "newsletter"), (*WEIGHTS, 9), strict=True):
            swing = 1 + 0.5 * math.sin((ago + weight) / 7)
            at = (now - timedelta(minutes=ago)).isoformat().replace("+00:00", "Z")
            yield {"minute": at, "channel": channel, "shares": int(weight / 18 * swing * rng.uniform(0.2, 1.9))}
