"""The widget on pages that change while in use: moved, removed, given new content items, tokens or languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import anyio
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenSite, Visitor
from tests.browser.embedding_page import ORIGIN, block_service, give_token, serve_embedding_page, widget_tag
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
COUNTED = "() => [...document.querySelectorAll('share-buttons')].every((one) => one.count)"
LABELS = (
    "[...document.querySelectorAll('share-buttons')]"
    ".flatMap((one) => [...one.shadowRoot.querySelectorAll('a')]).map((link) => link.ariaLabel)"
)
SHARED = "platforms => document.querySelector('share-buttons').shared.join() === platforms"


@pytest.fixture(scope="module")
def service(make_site: OpenSite) -> Iterator[Site]:
    """For pages on another origin; without a token nothing is recorded."""
    with make_site(CORS_ORIGINS=ORIGIN) as site:
        yield site


async def late_token(page: Page, token: str) -> None:
    """The page's way to a token does not answer before `arrive()` is called."""
    await page.evaluate(
        "token => { const late = new Promise((done) => { globalThis.arrive = () => done(token) }); "
        "customElements.get('share-buttons').token = () => late }",
        token,
    )


async def test_a_moved_widget_keeps_its_count_without_a_request(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video)
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    await page.evaluate("document.body.append(document.querySelector('share-buttons'))")
    assert await page.evaluate("document.querySelector('share-buttons').count?.shareCount") == 1
    service.share(video, user="another")
    await expect(page.locator("share-buttons .n > span").first).to_have_text("2 shares")
    assert asked == []


@pytest.mark.parametrize("lang", ["en_US", "en-", "{{ lang }}"])
async def test_an_invalid_language_does_not_hide_the_count(
    service: Site, visitor: Visitor, video: str, lang: str
) -> None:
    page = await visitor()
    await serve_embedding_page(
        page, service.base, widget_tag(f"video/{video}"), widget_tag(f"video/{video}-2"), lang=lang
    )
    await expect(page.locator("share-buttons .n > span:first-child")).to_have_text(["0 shares"] * 2)


async def test_an_invalid_url_does_not_affect_other_widgets(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    wrong = widget_tag(f"video/{video}").replace("https://example.com", "http://[")
    await serve_embedding_page(page, service.base, wrong, widget_tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    await expect(page.get_by_role("link", name="Share on X")).to_have_count(2)


async def test_a_slow_token_does_not_delay_counts(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video)
    page = await visitor()
    await serve_embedding_page(page, service.base)
    await late_token(page, service.token("anna"))
    await page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", widget_tag(f"video/{video}"))
    await expect(page.locator("share-buttons .n > span").first).to_have_text("1 share")


@pytest.mark.parametrize("change", ["one.setAttribute('content-id', 'another')", "one.remove()"])
async def test_a_click_is_recorded_for_the_content_shown_at_that_moment(
    service: Site, visitor: Visitor, video: str, change: str
) -> None:
    page = await visitor()
    await block_service(page)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    await late_token(page, service.token("anna"))
    await page.evaluate("document.addEventListener('share', ({ detail }) => { globalThis.recorded = detail.recorded })")
    await page.get_by_role("link", name="Share on Facebook").click()
    await page.evaluate(f"(one => {{ {change} }})(document.querySelector('share-buttons'))")
    await page.evaluate("new Promise((go) => setTimeout(go)).then(arrive)")
    assert await page.evaluate("recorded.then((result) => result?.platform)") == "facebook"
    counted = service.request("GET", f"/share-links/count/video/{video}?consistent=true", user="anna")
    assert counted["breakdown"]["channel"] == {"facebook": 1}


async def test_rarely_used_labels_survive_page_changes(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}", platforms="email sms telegram"))
    names = ["Share by email", "Share by text message", "Share on Telegram"]
    for change in ("one.setAttribute('text', 'Look again')", "document.body.append(one.cloneNode())"):
        for link in (page.get_by_role("link", name=name) for name in names):
            await expect(link.first).to_be_visible()
        await page.evaluate(f"(one => {{ {change} }})(document.querySelector('share-buttons'))")
        await page.evaluate("new Promise((go) => setTimeout(go, 100))")
        assert set(await page.evaluate(LABELS)) == set(names)


@pytest.mark.parametrize(
    ("name", "first", "then", "file"),
    [("lang", "de", "en", "labels/de.json"), ("platforms", "telegram twitter", "twitter", "platforms.json")],
)
async def test_late_responses_for_old_attributes_are_ignored(
    service: Site, visitor: Visitor, video: str, name: str, first: str, then: str, file: str
) -> None:
    page, came, go = await visitor(), anyio.Event(), anyio.Event()

    async def late(route: Route) -> None:
        came.set()
        await go.wait()
        await route.continue_()

    await page.route(f"**/widget/{file}", late)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}", platforms="twitter"))
    change = "([name, value]) => document.querySelector('share-buttons').setAttribute(name, value)"
    await page.evaluate(change, [name, first])
    await came.wait()
    await page.evaluate(change, [name, then])
    async with page.expect_response(f"**/widget/{file}"):
        go.set()
    await page.evaluate("new Promise((go) => setTimeout(go, 200))")
    assert await page.evaluate(LABELS) == ["Share on X"]


async def test_reduced_motion_disables_animation(service: Site, visitor: Visitor, video: str) -> None:
    for motion, seconds, name in (("no-preference", "0.15s", "up"), ("reduce", "0s", "none")):
        page = await visitor(reduced_motion=motion)
        await serve_embedding_page(page, service.base, widget_tag(f"video/{video}-{motion}"))
        await page.wait_for_function(COUNTED)
        service.share(f"{video}-{motion}")
        await expect(page.locator("share-buttons .n > span").first).to_have_text("1 share")
        inside = "document.querySelector('share-buttons').shadowRoot.querySelector"
        assert await page.evaluate(f"getComputedStyle({inside}('.b')).transitionDuration") == seconds
        assert await page.evaluate(f"getComputedStyle({inside}('.up')).animationName") == name


async def test_a_share_can_be_withdrawn_as_soon_as_the_element_is_defined(
    service: Site, visitor: Visitor, video: str
) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}-other"))
    await give_token(page, service.token("anna"))
    await page.evaluate(
        "html => { document.body.insertAdjacentHTML('beforeend', html); "
        "return document.body.lastElementChild.withdraw('twitter') }",
        widget_tag(f"video/{video}"),
    )
    assert service.request("GET", f"/share-links/count/video/{video}?consistent=true", user="anna")["shareCount"] == 0


async def test_in_a_shadow_tree_it_has_the_language_and_the_token_of_the_page(
    service: Site, visitor: Visitor, video: str
) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor()
    await serve_embedding_page(page, service.base, lang="de")
    await page.evaluate(
        "html => { const host = document.body.appendChild(document.createElement('section')); "
        "host.attachShadow({ mode: 'open' }).innerHTML = html }",
        widget_tag(f"video/{video}"),
    )
    await expect(page.get_by_role("link", name="Auf X teilen")).to_be_visible()
    await page.evaluate(
        "token => { customElements.get('share-buttons').token = async () => token }", service.token("anna")
    )
    await expect(page.get_by_role("link", name="Auf X teilen, von dir geteilt")).to_be_visible()


async def test_the_focus_ring_has_the_text_colour(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.evaluate("document.body.style.cssText = 'background: #111; color: rgb(238, 238, 238)'")
    await page.evaluate(
        "token => { customElements.get('share-buttons').token = async () => token }", service.token("anna")
    )
    await page.wait_for_function(SHARED, arg="twitter")
    for _ in range(2):  # one that is shared, and one that is not
        await page.keyboard.press("Tab")
        look = "getComputedStyle(document.activeElement.shadowRoot.activeElement).outlineColor"
        await page.wait_for_function(f"() => {look} === 'rgb(238, 238, 238)'")  # colours pass into each other


async def test_the_shared_icon_is_visible_in_forced_colours(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor(forced_colors="active")
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.evaluate(
        "token => { customElements.get('share-buttons').token = async () => token }", service.token("anna")
    )
    await page.wait_for_function(SHARED, arg="twitter")
    button = page.get_by_role("link", name="Share on X, shared by you")
    color = "one => getComputedStyle(one).color"
    assert await button.locator("svg").evaluate(color) == await button.evaluate(color)


async def test_react_and_vue_set_attributes(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    changed = "https://example.com/another"
    await page.evaluate(  # they set a property where the element has one, else the attribute
        "([name, value]) => { const one = document.querySelector('share-buttons'); "
        "if (name in one) one[name] = value; else one.setAttribute(name, value) }",
        ["url", changed],
    )
    await expect(page.get_by_role("link", name="Share on Facebook")).to_have_attribute("href", re.compile("another$"))
    properties = "names => names.filter((name) => name in document.querySelector('share-buttons'))"
    assert await page.evaluate(properties, ["content-type", "content-id", "text", "platforms", "api", "instance"]) == []
