"""Posts in the console: what became of each, why it failed, and what its user or an operator can do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest
from anyio import to_thread
from playwright.async_api import Locator, Page, Request, expect

from sharetally.domain.post import PostStatus
from tests.browser.axe import accessibility_violations
from tests.browser.conftest import TIMEOUT
from tests.browser.console import ALL_SCOPES, WIDE, Console
from tests.browser.posting import PostingSite, add_posts, post
from tests.browser.test_console_accounts import SMALL, connect
from tests.browser.test_pages import overflow
from tests.fakes.api_server import Fault
from tests.fakes.mastodon import error

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
POLL = 15_000  # milliseconds between two requests while nothing is on its way


@pytest.fixture
def user() -> str:
    """Somebody whose posts no other test touches."""
    return f"user-{token_hex(4)}"


def row(page: Page, content: str) -> Locator:
    """The post of this content item."""
    return page.get_by_role("region", name="Posts").get_by_role("row").filter(has_text=content)


def rows(page: Page) -> Locator:
    """The posts, without the head of the table."""
    return page.get_by_role("region", name="Posts").get_by_role("row").filter(has=page.get_by_role("cell"))


async def request_post(posting: PostingSite, video: str, user: str, text: str = "") -> None:
    """Share with a post, as an application does."""
    body = {"platforms": ["mastodon"], "mode": "server_post", "text": text}
    await to_thread.run_sync(lambda: posting.site.request("POST", f"/videos/{video}/share", body, user=user))


async def test_a_post_appears_by_itself_and_leads_to_the_platform(
    posting: PostingSite, posting_console: Console, video: str, user: str
) -> None:
    page = await posting_console("/accounts", user=user, clock=True)
    await connect(page, posting)
    await page.get_by_role("link", name="Posts").click()
    await expect(page.get_by_text("No posts yet")).to_be_visible()
    await request_post(posting, video, user, "Worth a look")
    await page.clock.fast_forward(POLL)
    await expect(row(page, video)).to_contain_text("success", timeout=TIMEOUT)
    link = row(page, video).get_by_role("link", name="View post")
    assert (await link.get_attribute("href") or "").startswith("https://social.example/@mara/")
    assert await link.get_attribute("rel") == "noreferrer"


async def test_a_page_that_nobody_sees_requests_nothing(posting_console: Console, user: str) -> None:
    page = await posting_console("/posts", user=user, clock=True)
    await expect(page.get_by_text("No posts yet")).to_be_visible()
    requested: list[str] = []

    def count(request: Request) -> None:
        if "/posts?" in request.url:
            requested.append(request.url)

    page.on("request", count)
    await page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    await page.clock.run_for(3 * POLL)
    assert requested == []
    async with page.expect_response("**/posts?*"):
        await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    assert len(requested) == 1
    async with page.expect_response("**/posts?*"):
        await page.clock.run_for(POLL)


async def test_each_post_says_what_became_of_it(posting: PostingSite, posting_console: Console, user: str) -> None:
    base, lost = (
        posting.site.base,
        "the platform has ended the permission to post: connect the account again, then retry",
    )
    await add_posts(
        posting.database,
        [
            post(base, "soon", PostStatus.PENDING, user=user, error_message="the server answered 503"),
            post(base, "later", PostStatus.PENDING, user=user, scheduled_at=NOW + timedelta(days=2)),
            post(base, "now", PostStatus.SENDING, user=user, attempted_at=NOW),
            post(base, "there", PostStatus.SUCCESS, user=user, external_url="https://social.example/@mara/7"),
            post(base, "odd", PostStatus.SUCCESS, user=user, external_url="javascript:alert(1)"),
            post(base, "lost", PostStatus.FAILED, user=user, error_code="needs-reauth", error_message=lost),
            post(base, "perhaps", PostStatus.UNKNOWN, user=user, attempted_at=NOW),
            post(base, "gone", PostStatus.CANCELLED, user=user),
        ],
    )
    page = await posting_console("/posts", user=user, viewport=WIDE)
    for content, status in (
        ("soon", "pending"),
        ("later", "scheduled"),
        ("now", "sending"),
        ("there", "success"),
        ("lost", "failed"),
        ("perhaps", "unknown"),
        ("gone", "cancelled"),
    ):
        await expect(row(page, f"video{content}").get_by_text(status, exact=True)).to_be_visible()
    await expect(row(page, "videosoon")).to_contain_text("The server answered 503")
    await expect(row(page, "videolost")).to_contain_text("connect the account again")
    await expect(row(page, "videolost").get_by_role("link", name="Go to your accounts")).to_be_visible()
    await expect(row(page, "videoperhaps")).to_contain_text("did not say whether it is there")
    await expect(row(page, "videothere").get_by_role("link", name="View post")).to_be_visible()
    await expect(row(page, "videoodd").get_by_role("link", name="View post")).to_have_count(0)
    await expect(row(page, "videonow").get_by_role("button")).to_have_count(0)
    assert await accessibility_violations(page) == []

    await page.get_by_role("button", name="Failed").click()
    await expect(page).to_have_url(f"{base}/console/posts?status=failed")
    await expect(rows(page)).to_have_count(1)
    await page.reload()
    await expect(rows(page)).to_have_count(1)
    await expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")
    await page.go_back()
    await expect(rows(page)).to_have_count(8)
    await page.goto(f"{base}/console/posts?status=nonsense")
    await expect(rows(page)).to_have_count(8)


async def test_its_user_decides_about_an_unknown_post(
    posting: PostingSite, posting_console: Console, user: str
) -> None:
    base = posting.site.base
    await add_posts(
        posting.database,
        [post(base, name, PostStatus.UNKNOWN, user=user, attempted_at=NOW) for name in ("here", "nowhere")],
    )
    page = await posting_console("/posts", user=user, viewport=WIDE, trouble=True)  # the browser gets a 400
    await row(page, "videohere").get_by_role("button", name="It is there").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Look at your profile")
    assert await accessibility_violations(page) == []
    await dialog.get_by_label("Address of the post").fill("javascript:alert(1)")
    await dialog.get_by_role("button", name="It is there").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("url")
    await dialog.get_by_label("Address of the post").fill("https://social.example/@mara/99")
    await dialog.get_by_role("button", name="It is there").click()
    await expect(page.get_by_role("status").filter(has_text="counts as published")).to_be_visible()
    await expect(row(page, "videohere").get_by_text("success", exact=True)).to_be_visible()
    link = row(page, "videohere").get_by_role("link", name="View post")
    assert await link.get_attribute("href") == "https://social.example/@mara/99"

    await row(page, "videonowhere").get_by_role("button", name="It is not there").click()
    assert await accessibility_violations(page) == []
    await dialog.get_by_role("button", name="It is not there").click()
    await expect(row(page, "videonowhere")).to_contain_text("A person said that the post is not there")
    await expect(row(page, "videonowhere").get_by_role("button", name="Post again")).to_be_visible()


async def test_an_operator_sees_everybodys_posts_and_decides_only(
    posting: PostingSite, posting_console: Console, video: str, user: str
) -> None:
    base = posting.site.base
    await add_posts(
        posting.database,
        [
            post(base, f"{video}-waits", PostStatus.PENDING, user=user, scheduled_at=NOW + timedelta(days=2)),
            post(base, f"{video}-failed", PostStatus.FAILED, user=user, error_code="x", error_message="no"),
            post(base, f"{video}-perhaps", PostStatus.UNKNOWN, user=user, attempted_at=NOW),
        ],
    )
    page = await posting_console("/posts", user="operator", scope=ALL_SCOPES, viewport=WIDE)
    await expect(row(page, f"{video}-waits")).to_contain_text(user)
    await expect(row(page, f"{video}-waits").get_by_role("button")).to_have_count(0)
    await expect(row(page, f"{video}-failed").get_by_role("button")).to_have_count(0)
    await row(page, f"{video}-perhaps").get_by_role("button", name="It is not there").click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"Look at the profile of {user}")
    await page.get_by_role("dialog").get_by_role("button", name="It is not there").click()
    await expect(row(page, f"{video}-perhaps").get_by_text("failed", exact=True)).to_be_visible()
    await row(page, f"{video}-perhaps").get_by_role("link", name="History").click()
    await expect(page.get_by_role("dialog")).to_contain_text("operator")


async def test_nobody_sees_somebody_elses_posts(
    posting: PostingSite, posting_console: Console, video: str, user: str
) -> None:
    await add_posts(posting.database, [post(posting.site.base, video, PostStatus.PENDING, user="somebody-else")])
    page = await posting_console("/posts", user=user)
    await expect(page.get_by_text("No posts yet")).to_be_visible()
    await page.get_by_role("button", name="Cancelled").click()
    await expect(page.get_by_text("No post has this status")).to_be_visible()
    assert await accessibility_violations(page) == []


async def test_a_scheduled_post_is_cancelled(
    posting: PostingSite, posting_console: Console, video: str, user: str
) -> None:
    scheduled = post(posting.site.base, video, PostStatus.PENDING, user=user, scheduled_at=NOW + timedelta(days=2))
    await add_posts(posting.database, [scheduled])
    page = await posting_console("/posts", user=user, viewport=WIDE)
    await row(page, video).get_by_role("button", name="Cancel").click()
    assert await accessibility_violations(page) == []
    await page.get_by_role("button", name="Keep it").click()
    await expect(row(page, video)).to_contain_text("scheduled")
    await row(page, video).get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Cancel the post").click()
    await expect(row(page, video)).to_contain_text("cancelled")
    await expect(page.get_by_role("status").filter(has_text="is cancelled")).to_be_visible()


async def test_a_failed_post_is_published_again_with_another_text(
    posting: PostingSite, posting_console: Console, video: str, user: str
) -> None:
    page = await posting_console("/accounts", user=user, viewport=WIDE)
    await connect(page, posting)
    posting.mastodon.fail(
        "create", Fault(carried_out=False, reply=error(422, "Validation failed: too many swearwords"))
    )
    await request_post(posting, video, user, "Damn! {url}")
    await page.get_by_role("link", name="Posts").click()
    await expect(row(page, video)).to_contain_text("too many swearwords")
    await row(page, video).get_by_role("button", name="Post again").click()
    text = page.get_by_role("textbox", name="Text")
    await expect(text).to_have_value("Damn! {url}")
    await expect(page.get_by_label("Account")).to_contain_text("@mara")
    assert await accessibility_violations(page) == []
    await text.fill("Dear me! {url}")
    await page.get_by_role("dialog").get_by_role("button", name="Post again").click()
    await expect(row(page, video).filter(has_text="Dear me!")).to_contain_text("success")
    assert [each for each in posting.mastodon.texts() if "Damn" in each] == []
    assert len([each for each in posting.mastodon.texts() if "Dear me!" in each]) == 1


async def test_without_an_account_a_failed_post_says_what_to_do(
    posting: PostingSite, posting_console: Console, video: str, user: str
) -> None:
    failed = post(
        posting.site.base, video, PostStatus.FAILED, user=user, error_code="account-missing", error_message="x"
    )
    await add_posts(posting.database, [failed])
    page = await posting_console("/posts", user=user, viewport=WIDE)
    await row(page, video).get_by_role("button", name="Post again").click()
    await page.get_by_role("dialog").get_by_role("link", name="Connect one").click()
    await expect(page.get_by_role("heading", name="Accounts", level=1)).to_be_visible()


async def test_many_long_posts_are_paged_and_fit_a_telephone(
    posting: PostingSite, posting_console: Console, user: str
) -> None:
    base = posting.site.base
    await add_posts(
        posting.database,
        [
            post(
                base,
                f"{n:03}-{'c' * 110}",
                PostStatus.FAILED,
                "w" * 900,
                user=user,
                error_code="x",
                error_message="e" * 400,
            )
            for n in range(120)
        ],
    )
    page = await posting_console("/posts", user=user, viewport=WIDE)
    await expect(rows(page)).to_have_count(50)
    await expect(rows(page).first).to_contain_text("119-")
    assert await accessibility_violations(page) == []
    await page.set_viewport_size(SMALL)
    assert await overflow(page) <= 0
    await page.get_by_role("link", name="Older").click()
    await expect(rows(page).first).to_contain_text("069-")
    await page.get_by_role("link", name="Older").click()
    await expect(page.get_by_text("20 posts", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Newest").click()
    await expect(rows(page).first).to_contain_text("119-")


async def test_posts_that_cannot_be_loaded_can_be_tried_again(posting_console: Console, user: str) -> None:
    page = await posting_console("/links", user=user, trouble=True)
    await page.context.route("**/posts?*", lambda route: route.abort())
    await page.get_by_role("link", name="Posts").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not answer")
    await page.context.unroute("**/posts?*")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("No posts yet")).to_be_visible()


def paid(spent: int, unknown: int = 0) -> dict[str, object]:
    """What `GET /posts/budget` answers where posts to X have a budget; amounts are micro-dollars."""
    budget = {"platform": "twitter", "budgetMicros": 20_000_000, "userBudgetMicros": 1_000_000, "spentMicros": spent}
    rest = {"unknownMicros": unknown, "currency": "USD", "resetsAt": "2026-12-02T00:00:00Z", "whenSpent": "wait"}
    return {"items": [budget | rest]}


async def can_post_to_x(page: Page, *, status: int, budget: object) -> None:
    """Let the page believe that the service posts to X, which needs a client that X has approved."""
    x = {"platform": "twitter", "label": "X", "intent": True, "server_post": True, "textLimit": 280}
    await page.context.route("**/platforms", lambda route: route.fulfill(json={"platforms": [x]}))
    await page.context.route("**/posts/budget", lambda route: route.fulfill(status=status, json=budget))
    await page.reload()


async def test_operators_see_what_posts_cost(posting_console: Console, user: str) -> None:
    page = await posting_console("/posts", user=user, scope="shares analytics", viewport=WIDE)
    costs = page.get_by_role("region", name="What posts cost today")
    await expect(page.get_by_text("No posts yet")).to_be_visible()
    await expect(costs).to_have_count(0)
    await can_post_to_x(page, status=200, budget=paid(3_415_000, unknown=200_000))
    await expect(costs).to_contain_text("US$3.415 of US$20.00")
    await expect(costs).to_contain_text("Once it is spent, posts wait for the next day")
    await expect(costs).to_contain_text("Each user can spend US$1.00 a day")
    await expect(costs).to_contain_text("US$0.20 are for posts of which nobody knows")
    assert await accessibility_violations(page) == []
    await page.set_viewport_size(SMALL)
    assert await overflow(page) <= 0
    await can_post_to_x(page, status=200, budget=paid(20_000_000))
    await expect(costs).to_contain_text("The budget is spent: further posts wait for the next day")


@pytest.mark.parametrize(("scope", "status"), [("shares", 200), ("shares analytics", 404)])
async def test_without_an_answer_there_is_no_box_for_costs(
    posting_console: Console, user: str, scope: str, status: int
) -> None:
    page = await posting_console("/posts", user=user, scope=scope, trouble=status == 404)
    await can_post_to_x(page, status=status, budget=paid(0))
    await expect(page.get_by_role("link", name="Posts")).to_be_visible()
    await expect(page.get_by_text("No posts yet")).to_be_visible()
    await expect(page.get_by_text("What posts cost today")).to_have_count(0)
