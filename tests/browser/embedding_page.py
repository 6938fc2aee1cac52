"""Other people's pages that embed the widget: on their own origin, with strict rules for scripts and styles.

The browser itself answers for the page, so no server is needed; requests to the service are cross-origin as usual.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.async_api import Page, Route

ORIGIN = "http://page.example"
POLICY = "default-src 'none'; script-src {base}; connect-src {base} {live}; base-uri 'none'"


def widget_tag(content: str, *, platforms: str = "twitter whatsapp facebook linkedin", more: str = "") -> str:
    """A widget as people write it; with a link for those without script."""
    kind, _, name = content.partition("/")
    return (
        f'<share-buttons content-type="{kind}" content-id="{name}" url="https://example.com/watch/{name}" '
        f'text="Look at this" platforms="{platforms}" {more}><a href="https://x.com/intent/tweet">Share on X</a>'
        "</share-buttons>"
    )


async def serve_embedding_page(
    page: Page, base: str, *tags: str, lang: str = "en", script: str = "share-buttons.js"
) -> None:
    """Go to a page with these widgets, and wait until they are rendered."""
    html = (
        f'<!doctype html><html lang="{lang}"><head><title>Somebody’s page</title>'
        f'<script type="module" src="{base}/widget/{script}"></script></head>'
        f"<body><main><h1>A page</h1>{''.join(tags)}</main></body></html>"
    )
    policy = POLICY.format(base=base, live=base.replace("http", "ws", 1))

    async def answer(route: Route) -> None:
        await route.fulfill(
            body=html, content_type="text/html; charset=utf-8", headers={"content-security-policy": policy}
        )

    await page.route(f"{ORIGIN}/**", answer)
    await page.goto(f"{ORIGIN}/")


async def block_service(page: Page) -> list[str]:
    """Stand-ins for the share pages of platforms: which were opened, in the order of the requests."""
    opened: list[str] = []

    async def answer(route: Route) -> None:
        opened.append(route.request.url)
        await route.fulfill(body="<!doctype html><title>A share page</title>", content_type="text/html")

    await page.context.route(re.compile("^https:"), answer)
    return opened


async def give_token(page: Page, token: str) -> None:
    """The page's way to a token, for all of its widgets."""
    await page.evaluate("token => { customElements.get('share-buttons').token = async () => token }", token)


async def record_events(page: Page, *kinds: str) -> None:
    """Keep what these events say in `wait_for_events`."""
    await page.evaluate(
        """kinds => {
            globalThis.heard = [];
            for (const kind of kinds) document.addEventListener(kind, async ({ type, detail }) => {
                const { platform, url, error, recorded } = detail;
                const entry = { type, platform, url, code: error?.code, status: error?.status };
                heard.push(entry);
                entry.result = await recorded;
            });
        }""",
        list(kinds),
    )


async def wait_for_events(page: Page, count: int) -> Sequence[dict[str, object]]:
    """The first so many events."""
    await page.wait_for_function("count => heard.length >= count && heard.every((each) => 'result' in each)", arg=count)
    found: list[dict[str, object]] = await page.evaluate("heard")
    return found
