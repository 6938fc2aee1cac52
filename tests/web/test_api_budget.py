"""Posts to a (fake) X, each of which costs money: what is posted, what waits, and what that is said to have cost."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.twitter.client import TwitterPublisher
from sharetally.adapters.platforms.twitter.connect import TwitterConnector
from sharetally.domain.backoff import Backoff
from sharetally.domain.post import CannotTell
from sharetally.flow.posting import outcomes
from tests.contracts.database_rows import execute_sql
from tests.fakes import twitter as replies
from tests.fakes.api_server import Ending, Fault
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.twitter import FakeTwitter
from tests.web.api import Api, eventually, make_settings, problem, start_api
from tests.web.conftest import MakeApi
from tests.web.test_api_posting import COOKIE

pytestmark = pytest.mark.anyio
LATER = timedelta(minutes=2)  # a look believes by then that a post which X does not list is not there
LOST = Fault(carried_out=False, ending=Ending.RESET)
CENT = 10_000  # micro-dollars
POST = 20 * CENT
SETTINGS = {
    "PUBLIC_URL": "https://shares.example.com",
    "CONTENT_URLS": '{"video": "https://shop.example.com/videos/{contentId}"}',
    "LINK_HOSTS": "shop.example.com",
    "SHARE_PLATFORMS": "twitter",
    "POST_PLATFORMS": "twitter",
    "X_CLIENT_ID": CLIENT_ID,
    "X_CLIENT_SECRET": CLIENT_SECRET,
    "TOKEN_KEYS": f"k:{base64.b64encode(bytes(32)).decode()}",
}


class Times:
    """How far the clock of the service, and that of its client for X, are from the real time."""

    def __init__(self) -> None:
        self.service = timedelta()
        self.client = timedelta()


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    made, now = Times(), DatabaseClock.now
    monkeypatch.setattr(DatabaseClock, "now", lambda clock: now(clock) + made.service)
    monkeypatch.setattr(outcomes, "LOOKS", Backoff(first=0.01, longest=0.05))
    return made


@pytest.fixture
async def twitter(monkeypatch: pytest.MonkeyPatch, times: Times) -> AsyncIterator[FakeTwitter]:
    """The server that the service takes for X."""
    fake = FakeTwitter()
    async with fake.serving():
        publisher, connector = TwitterPublisher.__init__.__kwdefaults__, TwitterConnector.__init__.__kwdefaults__
        assert publisher is not None
        assert connector is not None
        for defaults in (publisher, connector):
            monkeypatch.setitem(defaults, "base_url", fake.url)
        monkeypatch.setitem(publisher, "now", lambda: utc_now() + times.client)
        yield fake


class Open(Protocol):
    """Opens the service with a budget."""

    def __call__(self, budget: str, **more: str) -> AbstractAsyncContextManager[Api]: ...


@pytest.fixture
def opened(make_api: MakeApi, twitter: FakeTwitter) -> Open:
    def make(budget: str, **more: str) -> AbstractAsyncContextManager[Api]:
        return make_api(**SETTINGS, POST_PRIVATE_SERVERS=twitter.url, X_BUDGET=budget, **more)

    return make


async def connect(api: Api, twitter: FakeTwitter, user: str = "anna") -> None:
    begun = await api.request("POST", "/accounts/twitter/connect", {}, user=user)
    assert begun.status == 200, begun
    cookie = re.match(rf"{COOKIE}=([^;]+)", begun.headers["set-cookie"])
    assert cookie is not None
    sent = twitter.agree(begun.json["authorizeUrl"])
    headers = {"cookie": f"{COOKIE}={cookie[1]}"}
    page = await api.request("GET", f"/oauth/twitter/callback?{urlencode(sent)}", user=None, headers=headers)
    assert page.status == 200, page


async def post(api: Api, video: str, user: str = "anna", **fields: Any) -> Any:
    body = {"platforms": ["x"], "mode": "server_post"} | fields
    response = await api.request("POST", f"/videos/{video}/share", body, user=user)
    assert response.status == 202, response
    return response.json["results"][0]


async def posts(api: Api) -> dict[str, Any]:
    """All posts by video."""
    listed = await api.request("GET", "/posts?pageSize=200", scope="admin")
    return {each["contentId"]: each for each in listed.json["items"]}


async def until(api: Api, video: str, status: str) -> Any:
    """The post of this video, once it has this status."""

    async def look() -> Any:
        found = (await posts(api)).get(video)
        return found if found and found["status"] == status else None

    return await eventually(look)


async def waiting(api: Api, video: str) -> Any:
    """The post of this video, once it is said to wait for money."""

    async def look() -> Any:
        found = (await posts(api))[video]
        return found if found["status"] == "pending" and found["error"] else None

    return await eventually(look)


async def budget(api: Api) -> Any:
    response = await api.request("GET", "/posts/budget", scope="analytics")
    assert (response.status, response.headers["cache-control"]) == (200, "no-store"), response
    (found,) = response.json["items"]
    return found


async def spent(api: Api) -> tuple[int, int]:
    """What was spent today, in cents, and how much of that is unknown."""
    found = await budget(api)
    return found["spentMicros"] / CENT, found["unknownMicros"] / CENT


async def until_spent(api: Api, cents: float, unknown: float) -> None:
    """Once this much is spent; a look that is under way has reserved more than it will cost."""

    async def look() -> bool:
        return await spent(api) == (cents, unknown)

    await eventually(look)


# what is spent


async def test_a_post_is_paid_for_once(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("20,1.5") as api:
        await connect(api, twitter)
        await post(api, "first")
        await until(api, "first", "success")
        found = await budget(api)
        resets_at = datetime.fromisoformat(found.pop("resetsAt"))
        assert timedelta(0) < resets_at - utc_now() <= timedelta(days=1)
        assert (resets_at.hour, resets_at.minute, resets_at.second, resets_at.utcoffset()) == (0, 0, 0, timedelta(0))
        assert found == {
            "platform": "twitter",
            "budgetMicros": 20_000_000,
            "userBudgetMicros": 1_500_000,
            "spentMicros": POST,
            "unknownMicros": 0,
            "currency": "USD",
            "whenSpent": "wait",
        }
        shown = await api.request("GET", "/metrics", scope="admin")
        assert b'\nsharetally_post_spending_dollars{platform="twitter"} 0.2\n' in shown.body
        assert b'\nsharetally_post_budget_dollars{platform="twitter"} 20.0\n' in shown.body


async def test_only_operators_see_what_is_spent(opened: Open) -> None:
    async with opened("20") as api:
        problem(await api.request("GET", "/posts/budget"), 403, "forbidden")


async def test_where_nothing_costs_money_there_is_no_budget(api: Api) -> None:
    assert (await api.request("GET", "/posts/budget", scope="admin")).json == {"items": []}


async def test_a_post_that_mentions_somebody_comes_with_a_warning(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("20") as api:
        await connect(api, twitter)
        (warning,) = (await post(api, "first", text="as @mara says"))["warnings"]
        assert "@" in warning
        assert "warnings" not in await post(api, "second", text="as she says")


# once it is spent


async def test_once_the_budget_is_spent_posts_wait_for_the_next_day(
    opened: Open, twitter: FakeTwitter, times: Times
) -> None:
    async with opened("0.3") as api:
        await connect(api, twitter)
        times.service = timedelta(days=-1)
        await post(api, "first")
        await until(api, "first", "success")
        await post(api, "second")
        found = await waiting(api, "second")
        assert found["error"]["message"] == "what this service may spend on twitter today (UTC) is spent"
        assert (len(twitter.texts()), await spent(api)) == (1, (20, 0))
        times.service = timedelta()
        assert (await until(api, "second", "success"))["error"] is None
        assert (len(twitter.texts()), await spent(api)) == (2, (20, 0))
        assert (await api.counted("video/second"))["shareCount"] == 1


async def test_once_the_budget_is_spent_posts_fail_if_they_are_meant_to(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("0.3", X_BUDGET_SPENT="fail") as api:
        await connect(api, twitter)
        await post(api, "first")
        await until(api, "first", "success")
        await post(api, "second")
        failed = await until(api, "second", "failed")
        assert failed["error"]["code"] == "budget-spent"
        assert "may spend on twitter today (UTC) is spent" in failed["error"]["message"]
        assert (len(twitter.texts()), await spent(api)) == (1, (20, 0))
        assert (await budget(api))["whenSpent"] == "fail"


async def test_a_user_who_has_spent_theirs_holds_up_nobody_else(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("10,0.3") as api:
        for user in ("anna", "bert"):
            await connect(api, twitter, user)
        await post(api, "first")
        await until(api, "first", "success")
        await post(api, "second")
        found = await waiting(api, "second")
        assert found["error"]["message"] == "what one user may spend on twitter today (UTC) is spent"
        await post(api, "third", "bert")
        await until(api, "third", "success")
        assert (len(twitter.texts()), await spent(api)) == (2, (40, 0))


async def test_a_post_that_waits_for_money_can_be_withdrawn(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("0.3") as api:
        await connect(api, twitter)
        for video in ("first", "second"):
            await post(api, video)
        await until(api, "first", "success")
        await waiting(api, "second")
        assert (await api.request("DELETE", "/videos/second/share/x")).status == 204
        await until(api, "second", "cancelled")
        assert (len(twitter.texts()), await spent(api)) == (1, (20, 0))


@pytest.fixture
async def server(module_database: str, tmp_path: Path, twitter: FakeTwitter) -> AsyncIterator[Api]:
    """The service on each kind of database, with money for seven posts, three for each user."""
    named = {**SETTINGS, "POST_PRIVATE_SERVERS": twitter.url, "X_BUDGET": "1.5,0.7"}
    async with start_api(make_settings(tmp_path, module_database, **named)) as found:
        yield found


async def test_eight_workers_together_do_not_exceed_the_budget(server: Api, twitter: FakeTwitter) -> None:
    stop = asyncio.Event()
    workers = [asyncio.create_task(server.core.delivery_loop().run(stop)) for _ in range(7)]
    users = [f"user-{number}" for number in range(4)]
    for user in users:
        await connect(server, twitter, user)
    await asyncio.gather(*(post(server, f"{user}-{number}", user) for user in users for number in range(5)))

    async def settled() -> Any:
        found = list((await posts(server)).values())
        done = [each for each in found if each["status"] == "success"]
        rest = [each for each in found if each["status"] == "pending" and each["error"]]
        return (done, rest) if len(done) + len(rest) == 20 else None

    done, rest = await eventually(settled)
    stop.set()
    await asyncio.gather(*workers)
    assert (len(done), len(rest), len(twitter.texts()), await spent(server)) == (7, 13, 7, (140, 0))
    assert max(sum(each["userId"] == user for each in done) for user in users) <= 3


# what nobody knows


async def lost_post(api: Api, twitter: FakeTwitter) -> None:
    """A post whose outcome X did not tell, and which is not there."""
    await connect(api, twitter)
    twitter.fail("create", LOST)
    await post(api, "first")
    await until(api, "first", "unknown")


async def test_an_unknown_post_stays_spent_until_a_look_refutes_it(
    opened: Open, twitter: FakeTwitter, times: Times
) -> None:
    async with opened("0.35") as api:
        await lost_post(api, twitter)
        await until_spent(api, 20, 20)
        await post(api, "second")
        await waiting(api, "second")
        times.client = LATER
        await retry(api, "first")
        assert (await until(api, "first", "failed"))["error"]["code"] == "not-found"
        assert (await spent(api), twitter.texts()) == ((0, 0), [])
        await post(api, "third")
        await until(api, "third", "success")
        assert await spent(api) == (20, 0)


async def retry(api: Api, video: str) -> None:
    """Look now, and not only when the service would look by itself."""
    assert (await api.request("POST", f"/videos/{video}/share/x/retry")).status == 202


async def test_an_unknown_post_that_a_look_finds_was_paid_for_as_was_the_look(
    opened: Open, twitter: FakeTwitter, times: Times
) -> None:
    async with opened("20") as api:
        await connect(api, twitter)
        for number in range(5):
            twitter.add_post(f"something else {number}")
        twitter.fail("create", Fault(carried_out=True, reply=replies.UNAVAILABLE))
        await post(api, "first")
        await until(api, "first", "success")
        assert (await spent(api), len(twitter.texts())) == ((20.6, 0), 6)


async def test_a_post_that_x_calls_a_duplicate_is_looked_for(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("20") as api:
        await connect(api, twitter)
        duplicate = replies.problem(403, "Forbidden", detail=replies.DUPLICATE)
        twitter.fail("create", Fault(carried_out=True, reply=duplicate))
        await post(api, "first")
        await until(api, "first", "success")
        assert (await spent(api), len(twitter.texts())) == ((20.1, 0), 1)


@pytest.mark.parametrize("posted", [True, False])
async def test_a_person_decides_what_was_spent_on_an_unknown_post(
    opened: Open, twitter: FakeTwitter, monkeypatch: pytest.MonkeyPatch, posted: bool
) -> None:
    async def unsure(*_: Any) -> CannotTell:
        return CannotTell(reason="X does not tell", cost=0)

    monkeypatch.setattr(TwitterPublisher, "look", unsure)
    async with opened("20") as api:
        await lost_post(api, twitter)
        await until_spent(api, 20, 20)
        record = (await posts(api))["first"]["recordId"]
        assert (await api.request("POST", f"/posts/{record}/decide", {"posted": posted})).status == 200
        await until_spent(api, 20 if posted else 0, 0)


async def test_an_unknown_post_that_is_withdrawn_costs_nothing_once_a_look_has_not_found_it(
    opened: Open, twitter: FakeTwitter, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def unsure(*_: Any) -> CannotTell:
        nonlocal looks
        looks += 1
        return CannotTell(reason="X does not tell", cost=0)

    look = TwitterPublisher.look
    monkeypatch.setattr(TwitterPublisher, "look", unsure)
    async with opened("20") as api:
        await lost_post(api, twitter)
        assert (await api.request("DELETE", "/videos/first/share/x")).status == 204
        before = looks

        async def looked_again() -> bool:
            return looks > before

        await eventually(looked_again)  # from now on every look knows that the post is not wanted any more
        await until_spent(api, 20, 20)
        times.client = LATER
        monkeypatch.setattr(TwitterPublisher, "look", look)
        await until(api, "first", "cancelled")
        assert (await spent(api), twitter.texts()) == ((0, 0), [])


async def test_an_operator_who_discards_an_unknown_post_releases_nothing(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("20") as api:
        await lost_post(api, twitter)
        await until_spent(api, 20, 20)
        await execute_sql(api.database, "UPDATE deliveries SET state = 'dead' WHERE kind = 'post'")
        (dead,) = (await api.request("GET", "/dead", scope="admin")).json["items"]
        body = {"ids": [dead["id"]], "reason": "X is gone"}
        assert (await api.request("POST", "/dead/discard", body, scope="admin")).status == 200
        assert (await until(api, "first", "failed"))["error"]["code"] == "post-discarded"
        await until_spent(api, 20, 0)


async def test_a_look_that_nobody_can_pay_for_waits(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("0.25") as api:
        await lost_post(api, twitter)
        await retry(api, "first")

        async def refused() -> bool:
            listed = await api.database.deliveries.backlog()
            return sum(each.number for each in listed.counts if each.state == "waiting") == 2

        await eventually(refused)
        assert [request.method for request in twitter.requests if "/tweets" in request.target] == ["POST"]
        assert await spent(api) == (20, 20)


@pytest.mark.parametrize("reply", [replies.OUT_OF_CREDITS, replies.problem(400, "Invalid Request")])
async def test_what_x_refuses_costs_nothing(opened: Open, twitter: FakeTwitter, reply: Any) -> None:
    async with opened("20") as api:
        await connect(api, twitter)
        twitter.fail("create", Fault(carried_out=False, reply=reply))
        await post(api, "first")

        async def settled() -> bool:
            found = (await posts(api))["first"]
            return found["status"] in ("pending", "failed") and found["error"] is not None

        await eventually(settled)
        assert await spent(api) == (0, 0)


async def test_deleting_a_post_costs_money_too(opened: Open, twitter: FakeTwitter) -> None:
    async with opened("20") as api:
        await connect(api, twitter)
        await post(api, "first")
        await until(api, "first", "success")
        assert (await api.request("DELETE", "/videos/first/share/x?deletePost=true")).status == 204
        await until(api, "first", "cancelled")
        assert (await spent(api), twitter.texts()) == ((21, 0), [])
