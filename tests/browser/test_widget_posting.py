"""The widget in the mode `server_post`: a dialog posts from the person's own account and says what became of it.

The platform is a fake of Mastodon that the service really talks to.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import files
from secrets import token_hex

import httpx2
import pytest
from playwright.async_api import Locator, Page, Route, expect

from sharetally.adapters.platforms.bluesky import text as bluesky
from sharetally.adapters.platforms.facebook import text as facebook
from sharetally.adapters.platforms.linkedin import text as linkedin
from sharetally.adapters.platforms.mastodon import text as mastodon_text
from sharetally.adapters.platforms.threads import text as threads
from sharetally.adapters.platforms.twitter import text as twitter
from sharetally.domain.post import compose
from sharetally.domain.text_rule import TextRule
from sharetally.web.pages.widget import LANGUAGES, VERSION
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
from tests.fakes.api_server import Ending, Fault
from tests.fakes.mastodon import UNAVAILABLE, FakeMastodon, error

pytestmark = pytest.mark.anyio
URL = "https://shares.example.com/s/" + "x" * 22
FIT = "() => document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
async def mastodon() -> AsyncIterator[FakeMastodon]:
    fake = FakeMastodon()
    async with fake.serving():
        yield fake


@pytest.fixture(scope="module")
def service(make_site: OpenSite, mastodon: FakeMastodon) -> Iterator[Site]:
    """For pages of another origin, with one platform that can be posted to."""
    with make_site(
        CORS_ORIGINS=ORIGIN,
        PUBLIC_URL="https://shares.example",
        SHARE_PLATFORMS="twitter,mastodon",
        POST_PLATFORMS="mastodon",
        POST_PRIVATE_SERVERS=mastodon.url,
    ) as site:
        yield site


@pytest.fixture
def user() -> str:
    return f"user-{token_hex(4)}"


@pytest.fixture(autouse=True)
def working(mastodon: FakeMastodon) -> None:
    mastodon.faults.clear()
    mastodon.posts.clear()


async def connect(service: Site, mastodon: FakeMastodon, user: str) -> None:
    """The user connects an account, as in a browser."""
    headers = {"Authorization": f"Bearer {service.token(user)}"}
    async with httpx2.AsyncClient(base_url=service.base) as client:
        begun = await client.post("/accounts/mastodon/connect", json={"instance": mastodon.url}, headers=headers)
        assert begun.status_code == 200, begun.text
        cookie = begun.headers["set-cookie"].partition(";")[0]
        sent = mastodon.agree(begun.json()["authorizeUrl"])
        page = await client.get("/oauth/mastodon/callback", params=sent, headers={"Cookie": cookie})
        assert page.status_code == 200, page.text


async def embed(page: Page, service: Site, video: str, user: str, *, lang: str = "en") -> None:
    """A page with the widget, on which this user is signed in; it is ready once it knows the user's accounts."""
    tag = widget_tag(f"video/{video}", platforms="twitter mastodon", more='mode="server_post"')
    await serve_embedding_page(page, service.base, '<meta name="color-scheme" content="light dark">', tag, lang=lang)
    async with page.expect_response("**/accounts"):
        await give_token(page, service.token(user))


def button(page: Page, platform: str = "mastodon") -> Locator:
    return page.locator(f"share-buttons .b[part~={platform}]")


async def open_dialog(page: Page) -> Locator:
    await expect(button(page)).to_have_attribute("aria-haspopup", "dialog")
    await button(page).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("textbox")).to_be_visible()
    return dialog


# posting


async def test_a_post_is_written_sent_and_linked_without_leaving_the_page(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)
    await record_events(page, "share")
    await page.evaluate("globalThis.posts = []")
    await page.evaluate("document.addEventListener('post', ({ detail }) => posts.push(detail.post.status))")
    dialog = await open_dialog(page)
    await expect(dialog).to_have_accessible_name("Post on Mastodon")
    await expect(dialog.get_by_role("option")).to_have_text(re.compile("^@mara@"))
    await expect(dialog.get_by_role("textbox", name="Text")).to_have_value("Look at this")
    await expect(dialog.get_by_text("36 / 500")).to_be_visible()  # a space, and 23 for the link
    await dialog.get_by_role("textbox").fill("Worth a look 👍")
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    (text,) = mastodon.texts()
    assert re.fullmatch(r"Worth a look 👍 https://shares\.example/s/[0-9A-Za-z]{22}", text)
    link = dialog.get_by_role("link", name="Show the post")
    await expect(link).to_have_attribute("href", f"https://social.example/@mara/{mastodon.posts[0].id}")
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("link", name="Share on Mastodon, shared by you")).to_be_visible()
    await expect(page.locator("share-buttons")).to_contain_text("1 share")
    counted = service.request("GET", f"/share-links/count/video/{video}")
    assert counted["breakdown"]["evidence"] == {"posted": 1}
    (event,) = await wait_for_events(page, 1)
    assert (event["platform"], event["result"]["status"]) == ("mastodon", "pending")  # type: ignore[index]
    assert await page.evaluate("posts.at(-1)") == "success"
    assert len(page.context.pages) == 1


async def test_the_post_that_is_there_is_shown_and_not_posted_again(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    body = {"platforms": ["mastodon"], "mode": "server_post", "text": "from elsewhere"}
    service_token = {"Authorization": f"Bearer {service.token(user)}"}
    async with httpx2.AsyncClient(base_url=service.base, headers=service_token) as client:
        assert (await client.post(f"/videos/{video}/share", json=body)).status_code == 202
    page = await visitor()
    await embed(page, service, video, user)
    await button(page).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    await expect(dialog.get_by_role("link", name="Show the post")).to_be_visible()
    await expect(dialog.get_by_role("textbox")).to_have_count(0)
    assert len(mastodon.texts()) == 1


async def test_an_address_that_is_no_web_page_does_not_become_a_link(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)

    async def hostile(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(
            response=response, body=re.sub('"url":"[^"]*"', '"url":"javascript:1"', await response.text())
        )

    await page.route("**/share-status", hostile)
    dialog = await open_dialog(page)
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    await expect(dialog.get_by_role("link")).to_have_count(0)


async def test_a_refused_post_says_why_and_can_be_edited(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)
    refusal = error(422, "Validation failed: Text character limit of 30 exceeded")
    mastodon.fail("create", Fault(carried_out=False, reply=refusal))
    dialog = await open_dialog(page)
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Not posted")
    await expect(dialog.get_by_role("alert")).to_contain_text("limit of 30 exceeded")
    await expect(dialog.get_by_role("link", name="Open the share page instead")).to_be_visible()
    assert mastodon.texts() == []
    await dialog.get_by_role("button", name="Edit the text").click()
    await dialog.get_by_role("textbox").fill("short")
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    assert len(mastodon.texts()) == 1


async def test_a_failed_post_can_be_tried_again(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)
    mastodon.fail("create", Fault(carried_out=False, reply=error(422, "Validation failed: Text is invalid")))
    dialog = await open_dialog(page)
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Not posted")
    await dialog.get_by_role("button", name="Try again").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    assert len(mastodon.texts()) == 1


async def test_an_uncertain_post_is_called_uncertain_and_looked_for(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)
    mastodon.fail("create", Fault(carried_out=True, ending=Ending.RESET))
    mastodon.fail("statuses", *[Fault(carried_out=False, reply=UNAVAILABLE)] * 3)
    dialog = await open_dialog(page)
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_contain_text("It is not certain whether the post is there")
    await expect(dialog.get_by_role("button", name="Try again")).to_have_count(0)
    mastodon.faults.clear()
    await dialog.get_by_role("button", name="Look again").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    assert len(mastodon.texts()) == 1


async def test_a_text_that_is_too_long_is_shown_at_once_and_refused_by_the_service(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor(trouble=True)  # the browser logs the answer 400
    await embed(page, service, video, user)
    await record_events(page, "share-error")
    dialog = await open_dialog(page)
    text = dialog.get_by_role("textbox")
    await text.fill("a" * 477)
    await expect(dialog.get_by_text("501 / 500")).to_be_visible()
    await expect(text).to_have_attribute("aria-invalid", "true")
    await expect(dialog.get_by_text("The text is too long.")).to_be_attached()
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("alert")).to_contain_text(
        "The text has 501 characters as Mastodon counts them; the limit is 500."
    )
    await expect(text).to_be_focused()
    (event,) = await wait_for_events(page, 1)
    assert (event["status"], event["code"]) == (400, "invalid-request")
    await text.fill("a" * 476)
    await expect(dialog.get_by_text("500 / 500")).to_be_visible()
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")


async def test_without_an_answer_the_text_stays_and_can_be_sent_again(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor(trouble=True)
    await embed(page, service, video, user)

    async def lost(route: Route) -> None:
        await route.fetch()  # it arrives, and the answer does not
        await route.abort()

    await page.route("**/share", lost, times=1)
    dialog = await open_dialog(page)
    await dialog.get_by_role("textbox").fill("only once")
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("alert")).to_have_text("No answer. You can safely try again.")
    await expect(dialog.get_by_role("textbox")).to_have_value("only once")
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("status").first).to_have_text("Posted")
    assert len(mastodon.texts()) == 1


async def test_a_page_may_stop_a_post(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)
    await page.evaluate("document.addEventListener('share', (event) => event.preventDefault())")
    dialog = await open_dialog(page)
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog).to_have_count(0)
    assert mastodon.texts() == []


async def test_the_demo_page_posts_and_links_the_post(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await page.goto(f"{service.base}/demo#token={service.token(user)}")
    card = page.locator("[data-video=low-tide]")
    toot = card.locator("share-buttons .b[part~=mastodon]")
    await expect(toot).to_have_attribute("aria-haspopup", "dialog")
    await toot.click()
    await page.get_by_role("dialog").get_by_role("button", name="Post").click()
    newest = page.locator(".happening").first.locator("[data-trace]")
    await expect(newest.first).to_have_text("Recordsuccess, posted: the post")
    await expect(newest.last).to_have_text("Counted1 share, drift 0")
    link = page.locator(".happening").first.get_by_text("the post")
    await expect(link).to_have_attribute("href", f"https://social.example/@mara/{mastodon.posts[0].id}")


# when the share page opens as ever


@pytest.mark.parametrize("who", ["without an account", "signed out", "with Ctrl"])
async def test_the_share_page_opens_for_everybody_else(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str, who: str
) -> None:
    if who != "without an account":
        await connect(service, mastodon, user)
    page = await visitor(trouble=who == "signed out")  # the service has no visitors
    await block_service(page)
    await embed(page, service, video, user)
    if who == "signed out":
        await page.evaluate("customElements.get('share-buttons').token = null")
    async with page.context.expect_page() as popup:
        await button(page).click(modifiers=["Control"] if who == "with Ctrl" else [])
    new = await popup.value
    if who != "with Ctrl":  # such a tab stays in the background
        await new.wait_for_url("https://mastodon.social/share?text=**")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert mastodon.texts() == []


async def test_a_platform_without_an_account_opens_its_share_page(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    opened = await block_service(page)
    await embed(page, service, video, user)
    await expect(button(page)).to_have_attribute("aria-haspopup", "dialog")
    async with page.context.expect_page() as popup:
        await button(page, "twitter").click()
    await (await popup.value).wait_for_load_state()
    assert opened[0].startswith("https://x.com/intent/tweet?")
    await expect(page.get_by_role("link", name="Share on X, shared by you")).to_be_visible()


async def test_without_the_dialogs_file_share_pages_open(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor(trouble=True)
    await block_service(page)
    await page.route("**/post-dialog.js", lambda route: route.abort())
    tag = widget_tag(f"video/{video}", platforms="mastodon", more='mode="server_post"')
    await serve_embedding_page(page, service.base, tag)
    await give_token(page, service.token(user))
    async with page.context.expect_page():
        await button(page).click()
    await expect(page.get_by_role("link", name="Share on Mastodon, shared by you")).to_be_visible()


async def test_other_pages_load_nothing_of_the_dialog(service: Site, visitor: Visitor, video: str, user: str) -> None:
    page = await visitor()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}", platforms="mastodon"))
    async with page.expect_response("**/share-status"):
        await give_token(page, service.token(user))
    assert [url for url in asked if "dialog" in url or "accounts" in url] == []


# for everybody


async def test_the_dialog_is_accessible_and_fits(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user)
    dialog = await open_dialog(page)
    await expect(dialog.get_by_role("textbox")).to_be_focused()
    assert await accessibility_violations(page) == []
    await page.set_viewport_size({"width": 320, "height": 600})
    assert await page.evaluate(FIT)
    box = await dialog.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 320
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(button(page)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("textbox")).to_be_focused()
    mastodon.fail("create", Fault(carried_out=False, reply=error(422, "Validation failed: Text is invalid")))
    await dialog.get_by_role("textbox").fill("x")
    await dialog.get_by_role("button", name="Post").press("Enter")
    await expect(dialog.get_by_role("status").first).to_have_text("Not posted")
    await expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    assert await accessibility_violations(page) == []


@pytest.mark.parametrize("lang", ["de-AT", "ar", "ja"])
async def test_the_dialog_speaks_the_language_of_the_page(
    service: Site, mastodon: FakeMastodon, visitor: Visitor, video: str, user: str, lang: str
) -> None:
    await connect(service, mastodon, user)
    page = await visitor()
    await embed(page, service, video, user, lang=lang)
    await open_dialog(page)
    words = json.loads(files("sharetally.web").joinpath("static", "widget", "dialog", f"{lang[:2]}.json").read_bytes())
    dialog = page.get_by_role("dialog", name=words["title"].replace("{0}", "Mastodon"))
    await expect(dialog.get_by_role("button")).to_have_text([words["cancel"], words["post"]])
    assert lang[:2] in LANGUAGES


# counting


def counts_of_the_service() -> list[tuple[str, TextRule, Callable[[str], int]]]:
    return [
        ("bluesky", bluesky.RULE, lambda text: bluesky.grapheme_count(compose(text, URL))),
        ("facebook", facebook.RULE, lambda text: len(compose(text, URL))),
        ("linkedin", linkedin.RULE, lambda text: len(compose(text, URL).encode("utf-16-le")) // 2),
        ("mastodon", mastodon_text.RULE, lambda text: mastodon_text.counted_length(compose(text, URL), URL)),
        ("threads", threads.RULE, lambda text: threads.counted_length(compose(text, URL))),
        ("twitter", twitter.RULE, lambda text: twitter.weighted_length(compose(text, URL))),
    ]


@pytest.mark.parametrize("platform", ["bluesky", "facebook", "linkedin", "mastodon", "threads", "twitter"])
async def test_the_dialog_counts_as_the_service_does(service: Site, visitor: Visitor, platform: str) -> None:
    chance = random.Random(5)
    parts = [
        "a",
        " ",
        "word ",
        "é",
        "e\u0301",
        "日本",
        "한국어",
        "👍",
        "👍🏽",
        "👨‍👩‍👧",
        "🇩🇪",
        "1️⃣",
        "❤️",
        "“x” ",
        "#tag ",
        "§",
        "ﬁ",
        "\n",
    ]
    parts += ["https://example.com/a?b=c ", "(https://example.com/).", "हिन्दी", "עברית", "ไทย"]
    texts = ["", "   ", "a", "{url} first", "in {url} the {url} middle", *parts]
    texts += ["".join(chance.choices(parts, k=chance.randint(1, 20))) for _ in range(400)]
    ((_, rule, count),) = [each for each in counts_of_the_service() if each[0] == platform]
    told = {"unit": rule.unit.value, "linkLength": rule.url_length or len(URL), "urlLength": rule.url_length}
    page = await visitor()
    await serve_embedding_page(page, service.base)
    counted = await page.evaluate(
        "async ([file, texts, rule]) => { const { textLength } = await import(file); "
        "return texts.map((text) => textLength(text, rule)) }",
        [f"{service.base}/widget/{VERSION}/post-dialog.js", texts, told],
    )
    pairs = [(text, found, count(text)) for text, found in zip(texts, counted, strict=True)]
    assert [each for each in pairs if each[1] != each[2]] == []
