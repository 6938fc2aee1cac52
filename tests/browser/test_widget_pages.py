"""The widget on pages that change while people look: moved, removed, given other contents, tokens and languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenSite, Visitor
from tests.browser.embedding import ORIGIN, embed, nowhere, tag
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
COUNTED = "() => [...document.querySelectorAll('share-buttons')].every((one) => one.count)"
SHARED = "platforms => document.querySelector('share-buttons').shared.join() === platforms"


@pytest.fixture(scope="module")
def service(make_site: OpenSite) -> Iterator[Site]:
    """For pages of another origin; nobody is recorded without a token."""
    with make_site(CORS_ORIGINS=ORIGIN) as site:
        yield site


async def late_token(page: Page, token: str) -> None:
    """The page's way to a token does not answer before `arrive()` is called."""
    await page.evaluate(
        "token => { const late = new Promise((done) => { globalThis.arrive = () => done(token) }); "
        "customElements.get('share-buttons').token = () => late }",
        token,
    )


async def test_one_that_is_moved_keeps_its_count_and_asks_nothing(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video)
    page = await visitor()
    await embed(page, service.base, tag(f"video/{video}"))
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
async def test_a_language_that_is_none_takes_no_count_away(
    service: Site, visitor: Visitor, video: str, lang: str
) -> None:
    page = await visitor()
    await embed(page, service.base, tag(f"video/{video}"), tag(f"video/{video}-2"), lang=lang)
    await expect(page.locator("share-buttons .n > span:first-child")).to_have_text(["0 shares"] * 2)


async def test_an_address_that_is_none_leaves_the_other_widgets_alone(
    service: Site, visitor: Visitor, video: str
) -> None:
    page = await visitor()
    wrong = tag(f"video/{video}").replace("https://example.com", "http://[")
    await embed(page, service.base, wrong, tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    await expect(page.get_by_role("link", name="Share on X")).to_have_count(2)


async def test_a_token_that_is_slow_holds_no_count_up(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video)
    page = await visitor()
    await embed(page, service.base)
    await late_token(page, service.token("anna"))
    await page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", tag(f"video/{video}"))
    await expect(page.locator("share-buttons .n > span").first).to_have_text("1 share")


@pytest.mark.parametrize("change", ["one.setAttribute('content-id', 'another')", "one.remove()"])
async def test_what_was_clicked_is_recorded_though_the_page_shows_something_else_by_then(
    service: Site, visitor: Visitor, video: str, change: str
) -> None:
    page = await visitor()
    await nowhere(page)
    await embed(page, service.base, tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    await late_token(page, service.token("anna"))
    await page.evaluate("document.addEventListener('share', ({ detail }) => { globalThis.recorded = detail.recorded })")
    await page.get_by_role("link", name="Share on Facebook").click()
    await page.evaluate(f"(one => {{ {change} }})(document.querySelector('share-buttons'))")
    await page.evaluate("new Promise((go) => setTimeout(go)).then(arrive)")
    assert await page.evaluate("recorded.then((result) => result?.platform)") == "facebook"
    counted = service.ask("GET", f"/share-links/count/video/{video}?consistent=true", user="anna")
    assert counted["breakdown"]["channel"] == {"facebook": 1}


async def test_who_signs_in_next_sees_what_they_shared_themselves(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video, "twitter", user="anna")
    service.share(video, "facebook", user="ben")
    page = await visitor()
    await embed(page, service.base, tag(f"video/{video}"))
    for user, shared in (("anna", "twitter"), ("ben", "facebook")):
        give = "token => { customElements.get('share-buttons').token = async () => token }"
        await page.evaluate(give, service.token(user))
        await page.wait_for_function(SHARED, arg=shared)
    await page.evaluate("customElements.get('share-buttons').token = null")
    await page.wait_for_function(SHARED, arg="")


async def test_in_a_shadow_tree_it_has_the_language_and_the_token_of_the_page(
    service: Site, visitor: Visitor, video: str
) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor()
    await embed(page, service.base, lang="de")
    await page.evaluate(
        "html => { const host = document.body.appendChild(document.createElement('section')); "
        "host.attachShadow({ mode: 'open' }).innerHTML = html }",
        tag(f"video/{video}"),
    )
    await expect(page.get_by_role("link", name="Auf X teilen")).to_be_visible()
    await page.evaluate(
        "token => { customElements.get('share-buttons').token = async () => token }", service.token("anna")
    )
    await expect(page.get_by_role("link", name="Auf X teilen, von dir geteilt")).to_be_visible()


async def test_the_ring_around_what_has_the_keyboard_has_the_colour_of_the_text(
    service: Site, visitor: Visitor, video: str
) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor()
    await embed(page, service.base, tag(f"video/{video}"))
    await page.evaluate("document.body.style.cssText = 'background: #111; color: rgb(238, 238, 238)'")
    await page.evaluate(
        "token => { customElements.get('share-buttons').token = async () => token }", service.token("anna")
    )
    await page.wait_for_function(SHARED, arg="twitter")
    for _ in range(2):  # one that is shared, and one that is not
        await page.keyboard.press("Tab")
        look = "getComputedStyle(document.activeElement.shadowRoot.activeElement).outlineColor"
        await page.wait_for_function(f"() => {look} === 'rgb(238, 238, 238)'")  # colours pass into each other


async def test_in_the_colours_that_a_person_set_the_icon_of_what_is_shared_is_seen(
    service: Site, visitor: Visitor, video: str
) -> None:
    service.share(video, "twitter", user="anna")
    page = await visitor(forced_colors="active")
    await embed(page, service.base, tag(f"video/{video}"))
    await page.evaluate(
        "token => { customElements.get('share-buttons').token = async () => token }", service.token("anna")
    )
    await page.wait_for_function(SHARED, arg="twitter")
    button = page.get_by_role("link", name="Share on X, shared by you")
    color = "one => getComputedStyle(one).color"
    assert await button.locator("svg").evaluate(color) == await button.evaluate(color)


async def test_what_react_and_vue_change_is_an_attribute(service: Site, visitor: Visitor, video: str) -> None:
    page = await visitor()
    await embed(page, service.base, tag(f"video/{video}"))
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
