"""The widget on somebody's page: it opens share pages on a click, records, counts, and works without the service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from sharetally.adapters.platforms import builtin_platforms
from tests.browser.axe import accessibility_violations
from tests.browser.conftest import OpenSite, Visitor
from tests.browser.embedding_page import (
    ORIGIN,
    block_service,
    give_token,
    record_events,
    serve_embedding_page,
    wait_for_events,
    widget_tag,
)
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
ALL = " ".join(builtin_platforms())


@pytest.fixture(scope="module")
def service(make_site: OpenSite) -> Iterator[Site]:
    """For pages of another origin, with every platform, and for visitors without an account."""
    with make_site(CORS_ORIGINS=ORIGIN, ANONYMOUS_SHARES="on", SHARE_PLATFORMS=ALL.replace(" ", ",")) as site:
        yield site


# sharing


async def test_a_click_opens_the_share_page_and_records(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    opened = await block_service(page)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await expect(page.locator("share-buttons")).to_contain_text("0 shares")
    await give_token(page, service.token("anna"))
    await record_events(page, "share", "share-error")
    async with page.context.expect_page() as popup:
        await page.get_by_role("link", name="Share on X").click()
    await (await popup.value).wait_for_load_state()
    assert opened == [
        f"https://x.com/intent/tweet?text=Look%20at%20this&url=https%3A%2F%2Fexample.com%2Fwatch%2F{video}"
    ]
    (event,) = await wait_for_events(page, 1)
    assert (event["type"], event["platform"], event["url"]) == (
        "share",
        "twitter",
        f"https://example.com/watch/{video}",
    )
    assert event["result"]["evidence"] == "declared"  # type: ignore[index]
    await expect(page.get_by_role("link", name="Share on X, shared by you")).to_be_visible()
    await expect(page.locator("share-buttons")).to_contain_text("1 share")
    await page.evaluate("document.querySelector('share-buttons').withdraw('twitter')")
    await expect(page.locator("share-buttons")).to_contain_text("0 shares")
    assert await page.evaluate("document.querySelector('share-buttons').shared") == []


async def test_every_platform_has_the_link_of_the_service(service: Site, visitor: Visitor) -> None:
    text, url = "Größe & Ruhm: (100 %) 'now'\nsecond line 🙂", "https://example.com/watch/a?b=c&d=ü"
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag("video/links", platforms=ALL))
    await page.evaluate(
        "([text, url]) => { const one = document.querySelector('share-buttons'); one.setAttribute('text', text); "
        "one.setAttribute('url', url) }",
        [text, url],
    )
    await expect(page.locator("share-buttons .b[part~=sms]")).to_have_attribute("href", re.compile("second"))
    whole = await page.evaluate("document.querySelector('share-buttons').link")
    expected = {name: each.intent(url=whole, text=text) for name, each in builtin_platforms().items()}
    found = await page.evaluate(
        "() => Object.fromEntries([...document.querySelector('share-buttons').buttons].map(([k, v]) => "
        "[k, v.getAttribute('href')]))"
    )
    assert found == {name: link for name, link in expected.items() if name != "native"}


async def test_a_share_sheet_share_is_recorded_once_used(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    await page.add_init_script(
        "globalThis.answers = []; navigator.share = (what) => { answers.push(what); return answers.length < 2 ? "
        "Promise.reject(new DOMException('', 'AbortError')) : Promise.resolve() }"
    )
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}", platforms="native"))
    await give_token(page, service.token("anna"))
    await record_events(page, "share", "share-error")
    sheet = page.get_by_role("button", name="Share with an app")
    await sheet.click()
    await sheet.click()
    (event,) = await wait_for_events(page, 1)
    assert (event["platform"], event["type"]) == ("native", "share")
    assert await page.evaluate("answers[1].url") == f"https://example.com/watch/{video}"
    await expect(page.locator("share-buttons")).to_contain_text("1 share")


async def test_copying_a_link_is_confirmed(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    await page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', "
        "{ value: { writeText: async (text) => { globalThis.copied = text } } })"
    )
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}", platforms="copy"))
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.get_by_role("status")).to_have_text("Link copied")
    assert await page.evaluate("copied") == f"https://example.com/watch/{video}"


async def test_a_page_may_stop_a_share(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    opened = await block_service(page)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await give_token(page, service.token("anna"))
    await record_events(page, "share")
    await page.evaluate("document.addEventListener('share', (event) => event.preventDefault())")
    await page.get_by_role("link", name="Share on Facebook").click()
    (event,) = await wait_for_events(page, 1)
    assert event["result"] is None
    assert opened == []


# visitors


async def test_a_visitor_gets_a_token_on_the_first_share_and_keeps_it(
    service: Site, visitor: Visitor, video: str
) -> None:
    page = await visitor()
    await block_service(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(service.base)))
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await expect(page.locator("share-buttons")).to_contain_text("0 shares")
    assert not [each for each in asked if "tokens" in each or "status" in each]
    await record_events(page, "share", "share-error")
    await page.get_by_role("link", name="Share on LinkedIn").click()
    (event,) = await wait_for_events(page, 1)
    assert event["result"]["evidence"] == "anonymous"  # type: ignore[index]
    await page.reload()
    await expect(page.get_by_role("link", name="Share on LinkedIn, shared by you")).to_be_visible()
    assert asked.count("/tokens/visitor") == 1
    counted = service.request("GET", f"/share-links/count/video/{video}")
    assert counted["breakdown"]["evidence"] == {"anonymous": 1}


async def test_a_signed_in_user_does_not_inherit_the_visitors_shares(
    service: Site, visitor: Visitor, video: str
) -> None:
    page = await visitor()
    await block_service(page)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.get_by_role("link", name="Share on LinkedIn").click()
    await expect(page.get_by_role("link", name="Share on LinkedIn, shared by you")).to_be_visible()
    await give_token(page, service.token("ben"))
    await expect(page.get_by_role("link", name="Share on LinkedIn", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Share on Facebook").click()
    await expect(page.get_by_role("link", name="Share on Facebook, shared by you")).to_be_visible()


# many


async def test_fifty_widgets_share_one_request_and_one_connection(service: Site, visitor: Visitor) -> None:
    page = await visitor()
    asked, connections, subscribed = [], [], []

    def live(socket: WebSocketRoute) -> None:
        connections.append(socket.url)
        socket.on_message(lambda message: subscribed.append(json.loads(message)))

    await page.route_web_socket("**/live", live)
    page.on("request", lambda request: asked.append(request.url) if "/counts" in request.url else None)
    await serve_embedding_page(page, service.base, *(widget_tag(f"video/many-{number}") for number in range(50)))
    await expect(page.get_by_text("0 shares", exact=True).last).to_be_attached()
    await page.wait_for_function("() => [...document.querySelectorAll('share-buttons')].every((one) => one.count)")
    assert (len(asked), len(connections)) == (1, 1)
    (message,) = subscribed
    assert [each["contentId"] for each in message["subscribe"]] == [f"many-{number}" for number in range(50)]


async def test_one_connection_follows_450_contents(service: Site, visitor: Visitor) -> None:
    page = await visitor()
    connections: list[str] = []
    page.on("websocket", lambda socket: connections.append(socket.url))
    await serve_embedding_page(
        page, service.base, *(widget_tag(f"video/long-{number}", platforms="twitter") for number in range(450))
    )
    await page.wait_for_function("() => [...document.querySelectorAll('share-buttons')].every((one) => one.count)")
    last = page.locator("share-buttons[content-id='long-449'] .n > span").first
    await expect(last).to_have_text("0 shares")
    service.share("long-449")
    await expect(last).to_have_text("1 share")
    assert len(connections) == 1


# trouble


async def test_without_script_there_are_links(service: Site, visitor: Visitor) -> None:
    page = await visitor(java_script_enabled=False)
    await serve_embedding_page(page, service.base, widget_tag("video/plain"))
    await expect(page.get_by_role("link", name="Share on X")).to_have_attribute("href", "https://x.com/intent/tweet")


async def test_without_the_service_links_open_and_no_count_is_shown(service: Site, visitor: Visitor) -> None:
    page = await visitor(trouble=True)
    opened = await block_service(page)

    async def away(route: Route) -> None:
        await (route.continue_() if "/widget/share-buttons" in route.request.url else route.abort())

    await page.route(f"{service.base}/**", away)
    await page.route_web_socket("**/live", lambda socket: socket.close())
    await serve_embedding_page(page, service.base, widget_tag("video/away"), lang="de")
    await expect(page.get_by_role("link")).to_have_count(4)
    await expect(page.locator("share-buttons .n")).to_be_hidden()
    async with page.context.expect_page() as popup:
        await page.get_by_role("link", name="Share on WhatsApp").click()
    await (await popup.value).wait_for_load_state()
    assert opened[0].startswith("https://wa.me/?text=Look%20at%20this%20https")


async def test_a_refused_token_is_renewed_once_and_then_reported(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor(trouble=True)
    opened = await block_service(page)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.evaluate(
        "globalThis.given = []; "
        "customElements.get('share-buttons').token = async (renewed) => { given.push(renewed); return 'no.good.token' }"
    )
    await page.wait_for_function("() => given.length > 0")
    await record_events(page, "share", "share-error")
    async with page.context.expect_page():
        await page.get_by_role("link", name="Share on X").click()
    share, error = await wait_for_events(page, 2)
    assert (share["type"], share["result"]) == ("share", None)
    assert (error["type"], error["status"], error["code"]) == ("share-error", 401, "unauthenticated")
    assert await page.evaluate("given.filter(Boolean).length") == 1
    assert len(opened) == 1


# for everybody


@pytest.mark.parametrize(
    ("lang", "name", "told"),
    [
        ("de-AT", "Auf X teilen", "2-mal geteilt"),
        ("ar", "المشاركة على X", "مشاركتان"),
        ("pl", "Udostępnij na X", "2 udostępnienia"),
    ],
)
async def test_it_speaks_the_language_of_the_page(
    service: Site, visitor: Visitor, video: str, lang: str, name: str, told: str
) -> None:
    service.share(video, "twitter", "sms")
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"), lang=lang)
    await expect(page.get_by_role("link", name=name)).to_be_visible()
    await expect(page.locator("share-buttons")).to_contain_text(told)


async def test_the_widget_is_accessible(service: Site, visitor: Visitor) -> None:
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag("video/everybody", platforms=ALL))
    await expect(page.locator("share-buttons")).to_contain_text("0 shares")
    assert await accessibility_violations(page) == []
    await page.keyboard.press("Tab")
    focused = "document.activeElement.shadowRoot.activeElement"
    assert await page.evaluate(f"{focused}.part.value") == f"button {ALL.split()[0]}"
    assert await page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"


async def test_the_widget_runs_with_its_integrity_hash(service: Site, visitor: Visitor) -> None:
    current = service.request("GET", "/widget/integrity.json")
    version = current["versions"][current["current"]]
    page = await visitor()
    await serve_embedding_page(
        page,
        service.base,
        widget_tag("video/pinned"),
        script=f'{version["path"]}" crossorigin integrity="{version["integrity"]}',
    )
    await expect(page.locator("share-buttons")).to_contain_text("0 shares")
