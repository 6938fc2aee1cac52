"""The widget where one person signs in after another: each sees what they shared themselves, whatever comes late."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from playwright.async_api import Page, Route

from tests.browser.conftest import OpenSite, Visitor
from tests.browser.embedding_page import ORIGIN, block_service, give_token, serve_embedding_page, widget_tag
from tests.browser.site import Site

pytestmark = pytest.mark.anyio
COUNTED = "() => [...document.querySelectorAll('share-buttons')].every((one) => one.count)"
SHARED = "platforms => document.querySelector('share-buttons').shared.join() === platforms"


@pytest.fixture(scope="module")
def service(make_site: OpenSite) -> Iterator[Site]:
    """For pages on another origin; without a token nothing is recorded."""
    with make_site(CORS_ORIGINS=ORIGIN) as site:
        yield site


async def test_each_user_sees_only_their_own_shares(service: Site, visitor: Visitor, video: str) -> None:
    service.share(video, "twitter", user="anna")
    service.share(video, "facebook", user="ben")
    page = await visitor()
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    for user, shared in (("anna", "twitter"), ("ben", "facebook")):
        give = "token => { customElements.get('share-buttons').token = async () => token }"
        await page.evaluate(give, service.token(user))
        await page.wait_for_function(SHARED, arg=shared)
    await page.evaluate("customElements.get('share-buttons').token = null")
    await page.wait_for_function(SHARED, arg="")


class HeldRoute:
    """Requests to an address, by the token that they bear: kept until `go`, or answered with `status`."""

    def __init__(self, token: str, *, status: int | None = None) -> None:
        self._token = token
        self._status = status
        self.came, self.go, self.ended = anyio.Event(), anyio.Event(), anyio.Event()

    async def answer(self, route: Route) -> None:
        if not (route.request.headers.get("authorization") or "").endswith(self._token):
            return await route.continue_()
        self.came.set()
        if self._status is not None:
            return await route.fulfill(status=self._status)
        await self.go.wait()
        response = await route.fetch()
        await route.fulfill(response=response)
        self.ended.set()


async def shown(page: Page) -> str:
    """What the widget shows as shared once it has received everything."""
    await page.evaluate("new Promise((go) => setTimeout(go, 200))")
    return str(await page.evaluate("document.querySelector('share-buttons').shared.join()"))


@pytest.mark.parametrize("late", ["what they had shared", "what they just shared"])
async def test_late_responses_for_the_previous_user_are_ignored(
    service: Site, visitor: Visitor, video: str, late: str
) -> None:
    service.share(video, "twitter", user="anna")
    service.share(video, "facebook", user="ben")
    anna, ben = service.token("anna"), service.token("ben")
    page, held = await visitor(), HeldRoute(anna)
    await block_service(page)
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await page.wait_for_function(COUNTED)
    if late == "what they had shared":
        await page.route("**/share-status", held.answer)
        await give_token(page, anna)
    else:
        await give_token(page, anna)
        await page.wait_for_function(SHARED, arg="twitter")
        await page.route("**/share", held.answer)
        await page.get_by_role("link", name="Share on LinkedIn").click()
    await held.came.wait()
    await give_token(page, ben)
    await page.wait_for_function(SHARED, arg="facebook")
    held.go.set()
    await held.ended.wait()
    assert await shown(page) == "facebook"


async def test_nothing_is_shown_when_the_next_users_shares_cannot_be_loaded(
    service: Site, visitor: Visitor, video: str
) -> None:
    service.share(video, "twitter", user="anna")
    page, ben = await visitor(trouble=True), service.token("ben")
    await serve_embedding_page(page, service.base, widget_tag(f"video/{video}"))
    await give_token(page, service.token("anna"))
    await page.wait_for_function(SHARED, arg="twitter")
    held = HeldRoute(ben, status=503)
    await page.route("**/share-status", held.answer)
    await give_token(page, ben)
    await held.came.wait()
    await page.wait_for_function(SHARED, arg="")
