"""Somebody attacks the connection of an account: with another's state, platform, time, cookie, row or account id."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.domain.ids import new_id
from sharetally.ports.posting_platform import Connector
from tests.contracts.database_rows import execute_sql, query_int
from tests.fakes.mastodon import FakeMastodon
from tests.flow.fake_platform import FakePlatform
from tests.web.api import Api, HttpResponse, eventually, invalid_paths, problem
from tests.web.conftest import MakeApi
from tests.web.connecting import COOKIE, Begun, begin, come_back

pytestmark = pytest.mark.anyio


class TwoPlatforms:
    """Bluesky and X, each as strict as a real one."""

    def __init__(self) -> None:
        names = ("bluesky", "twitter")
        self.by_name = {name: FakePlatform(now=lambda: datetime.now(UTC), platform=name) for name in names}

    def agree(self, begun: Begun) -> dict[str, str]:
        """The user agrees at the platform to which they were sent."""
        return self.by_name[begun.platform].agree(begun.url)


@pytest.fixture
def platforms(monkeypatch: pytest.MonkeyPatch) -> TwoPlatforms:
    made = TwoPlatforms()
    connectors: Mapping[str, Connector] = dict(made.by_name)
    monkeypatch.setattr("sharetally.wiring_accounts.create_connectors", lambda settings, outbound: connectors)
    return made


@pytest.fixture
async def api(platforms: TwoPlatforms, make_api: MakeApi) -> AsyncIterator[Api]:
    async with make_api(PUBLIC_URL="https://shares.example") as found:
        yield found


async def accounts(api: Api, *users: str) -> list[str]:
    """What these users have connected, by platform."""
    listed = [(await api.request("GET", "/accounts", user=user)).json["items"] for user in users]
    return [account["platform"] for items in listed for account in items]


def cannot_be_finished(page: HttpResponse) -> None:
    """Nothing has happened, and the cookie of whoever began is not touched."""
    assert (page.status, b"cannot be finished" in page.body) == (400, True), page
    assert "set-cookie" not in page.headers


# the state


async def test_the_state_of_one_platform_is_refused_at_the_callback_of_another(
    api: Api, platforms: TwoPlatforms
) -> None:
    """Mix-up: a code must never go to a token endpoint other than that of its own platform."""
    begun = {name: await begin(api, name) for name in platforms.by_name}
    sent = {name: platforms.agree(each) for name, each in begun.items()}
    for mine, other in (("bluesky", "twitter"), ("twitter", "bluesky")):
        for cookie in (begun[mine].cookie, begun[other].cookie):
            cannot_be_finished(await come_back(api, other, sent[mine], cookie))
        mixed = {"state": sent[other]["state"], "code": sent[mine]["code"]}
        cannot_be_finished(await come_back(api, other, mixed, begun[mine].cookie))
    assert await accounts(api, "anna") == []
    for name, each in begun.items():
        assert (await come_back(api, name, sent[name], each.cookie)).status == 200, "it was not used up"
    assert await accounts(api, "anna") == ["bluesky", "twitter"]


async def test_a_prepared_link_connects_the_attackers_account_to_nobody(api: Api, platforms: TwoPlatforms) -> None:
    """State fixation: the victim has a cookie of their own, none, the attacker's id, or one that is made up."""
    attackers, victims = await begin(api, "bluesky", user="mallory"), await begin(api, "bluesky", user="anna")
    prepared = platforms.agree(attackers)
    state = prepared["state"]
    for cookie in (victims.cookie, None, state, "x" * 43, f"{attackers.cookie}; {COOKIE}={victims.cookie}"):
        cannot_be_finished(await come_back(api, "bluesky", prepared, cookie))
    assert await accounts(api, "anna", "mallory") == []
    assert (await come_back(api, "bluesky", platforms.agree(victims), victims.cookie)).status == 200
    assert await accounts(api, "anna", "mallory") == ["bluesky"]


async def test_a_state_is_neither_guessed_nor_chosen_by_whoever_begins(api: Api) -> None:
    begun = [await begin(api, "bluesky", user=f"user-{number}") for number in range(20)]
    states = {dict(parse_qsl(urlsplit(each.url).query))["state"] for each in begun}
    assert len(states | {each.cookie for each in begun}) == 40
    assert {len(state) for state in states} == {43}, "256 random bits"
    response = await api.request("POST", "/accounts/bluesky/connect", {"state": "x" * 43})
    assert invalid_paths(response) == ["state"]
    for target in ("callback", "callback?state=", "callback?code=a", f"callback?state={'x' * 43}", "choose?choice=a"):
        cannot_be_finished(await api.request("GET", f"/oauth/bluesky/{target}", user=None))


async def test_a_callback_that_is_replayed_does_nothing(api: Api, platforms: TwoPlatforms) -> None:
    begun = await begin(api, "bluesky")
    sent = platforms.agree(begun)
    pages = await asyncio.gather(*(come_back(api, "bluesky", sent, begun.cookie) for _ in range(8)))
    assert sorted(page.status for page in pages) == [200, *[400] * 7]
    later = await begin(api, "bluesky")
    for cookie in (begun.cookie, later.cookie):
        cannot_be_finished(await come_back(api, "bluesky", sent, cookie))
    new_state = {"state": platforms.agree(later)["state"], "code": sent["code"]}
    page = await come_back(api, "bluesky", new_state, later.cookie)
    assert (page.status, b"refused the code" in page.body) == (409, True), "a code works once"
    assert [line["action"] for line in await audit(api)].count("account_connected") == 1


async def audit(api: Api) -> list[Any]:
    return list((await api.request("GET", "/audit?contentType=account", scope="audit")).json["items"])


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> Iterator[None]:
    """Inside, it is so much later for the service."""
    now = DatabaseClock.now
    with monkeypatch.context() as patch:
        patch.setattr(DatabaseClock, "now", lambda clock: now(clock) + timedelta(**by))
        yield


async def test_a_state_works_for_ten_minutes(
    api: Api, platforms: TwoPlatforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await begin(api, "bluesky")
    sent = platforms.agree(begun)
    with later(monkeypatch, minutes=10):
        cannot_be_finished(await come_back(api, "bluesky", sent, begun.cookie))
    with later(monkeypatch, minutes=9):
        page = await come_back(api, "bluesky", sent, begun.cookie)
    assert page.status == 200


# the choice among several accounts


async def test_a_choice_belongs_to_its_browser_platform_and_ten_minutes_and_works_once(
    api: Api, platforms: TwoPlatforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in platforms.by_name.values():
        each.accounts = ("page:one", "page:two")
    begun, others = await begin(api, "bluesky"), await begin(api, "bluesky", user="mallory")
    page = await come_back(api, "bluesky", platforms.agree(begun), begun.cookie)
    first, _ = [unescape(link) for link in re.findall(r'href="(/oauth/[^"]+)"', page.body.decode())]
    choice = dict(parse_qsl(urlsplit(first).query))
    for platform, path, sent, cookie in (
        ("bluesky", "choose", choice, others.cookie),
        ("bluesky", "choose", choice, None),
        ("twitter", "choose", choice, begun.cookie),
        ("bluesky", "callback", {"state": choice["choice"], "code": "a"}, begun.cookie),
        ("bluesky", "choose", {**choice, "choice": choice["choice"][::-1]}, begun.cookie),
    ):
        cannot_be_finished(await come_back(api, platform, sent, cookie, path=path))
    with later(monkeypatch, minutes=10):
        cannot_be_finished(await come_back(api, "bluesky", choice, begun.cookie, path="choose"))
    assert (await come_back(api, "bluesky", choice, begun.cookie, path="choose")).status == 200
    cannot_be_finished(await come_back(api, "bluesky", choice, begun.cookie, path="choose"))
    assert await accounts(api, "anna", "mallory") == ["bluesky"]


async def test_the_state_of_a_callback_is_no_choice(api: Api, platforms: TwoPlatforms) -> None:
    begun = await begin(api, "bluesky")
    state = platforms.agree(begun)["state"]
    cannot_be_finished(await come_back(api, "bluesky", {"choice": state, "account": "a"}, begun.cookie, path="choose"))


# rows that somebody has moved in the database


async def test_a_connection_that_was_given_to_another_user_in_the_database_is_of_no_use(
    api: Api, platforms: TwoPlatforms
) -> None:
    begun = await begin(api, "bluesky", user="mallory")
    await execute_sql(api.database, "UPDATE oauth_states SET user_id = 'anna', actor = 'anna'")
    page = await come_back(api, "bluesky", platforms.agree(begun), begun.cookie)
    assert page.status == 500
    assert "TOKEN_KEYS" not in page.body.decode()
    assert await accounts(api, "anna", "mallory") == []


@pytest.fixture
async def mastodon() -> AsyncIterator[FakeMastodon]:
    fake = FakeMastodon()
    async with fake.serving():
        yield fake


@pytest.fixture
async def posting_api(mastodon: FakeMastodon, make_api: MakeApi) -> AsyncIterator[Api]:
    async with make_api(
        PUBLIC_URL="https://shares.example",
        CONTENT_URLS='{"video": "https://shop.example/videos/{contentId}"}',
        SHARE_PLATFORMS="mastodon,twitter",
        POST_PLATFORMS="mastodon",
        POST_PRIVATE_SERVERS=mastodon.url,
    ) as found:
        yield found


async def connect_mastodon(api: Api, mastodon: FakeMastodon, user: str) -> UUID:
    begun = await begin(api, "mastodon", {"instance": mastodon.url}, user=user)
    assert (await come_back(api, "mastodon", mastodon.agree(begun.url), begun.cookie)).status == 200
    (account,) = (await api.request("GET", "/accounts", user=user)).json["items"]
    return UUID(account["id"])


async def share(api: Api, user: str, **fields: object) -> HttpResponse:
    body = {"platforms": ["mastodon"], "mode": "server_post"} | fields
    return await api.request("POST", "/videos/abc/share", body, user=user)


@pytest.mark.parametrize("moved", ["the tokens", "the whole row"])
async def test_one_users_tokens_post_nothing_for_another(posting_api: Api, mastodon: FakeMastodon, moved: str) -> None:
    api = posting_api
    annas, mallorys = [await connect_mastodon(api, mastodon, user) for user in ("anna", "mallory")]
    if moved == "the tokens":
        (sealed,) = [
            each.sealed for each in await api.database.accounts.page(after=None, limit=9) if each.account.id == annas
        ]
        stored = await api.database.accounts.by_id(mallorys)
        assert stored is not None
        assert await api.database.accounts.reseal(mallorys, sealed, revision=stored.revision)
    else:
        await execute_sql(api.database, "DELETE FROM accounts WHERE user_id = 'mallory'")
        await execute_sql(api.database, "UPDATE accounts SET user_id = 'mallory'")
    assert (await share(api, "mallory", text="from anna? {url}")).status == 202

    async def refused() -> bool:
        return await query_int(api.database, "SELECT count(*) AS n FROM deliveries WHERE last_error IS NOT NULL") == 1

    await eventually(refused)
    assert mastodon.texts() == []
    (post,) = (await api.request("GET", "/posts", user="mallory")).json["items"]
    assert post["status"] == "pending"
    (account,) = (await api.request("GET", "/accounts", user="mallory")).json["items"]
    refusal = problem(
        await api.request("DELETE", f"/accounts/{account['id']}", user="mallory"), 502, "platform-unavailable"
    )
    assert "cannot be decrypted" in refusal["detail"]
    assert len(mastodon.grants.access) == 2, "nor does it take anna's permission away"


async def test_the_account_of_another_user_cannot_be_named(posting_api: Api, mastodon: FakeMastodon) -> None:
    """Nor can anybody tell whether it exists."""
    api = posting_api
    annas = await connect_mastodon(api, mastodon, "anna")
    nobodys = new_id()
    answers = dict[str, list[object]]()
    for without_account in (True, False):
        if not without_account:
            await connect_mastodon(api, mastodon, "mallory")
        for account_id in (annas, nobodys):
            body = {"mastodon": str(account_id)}
            response = await share(api, "mallory", accounts=body)
            assert invalid_paths(response) == ["accounts.mastodon"]
            response_by_force = await share(api, "mallory", accounts=body, force=True)
            assert invalid_paths(response_by_force) == ["accounts.mastodon"]
            seen = [response.json["invalid"]]
            for method, change in (("PATCH", {"label": "mine"}), ("PATCH", {"isDefault": True}), ("DELETE", {})):
                for query in ("", "?force=true") if method == "DELETE" else ("",):
                    refused = await api.request(method, f"/accounts/{account_id}{query}", change, user="mallory")
                    seen.append(problem(refused, 404, "not-found")["detail"])
            answers.setdefault(str(account_id), []).append(seen)
    assert answers[str(annas)] == answers[str(nobodys)]
    assert mastodon.texts() == []
    assert await query_int(api.database, "SELECT count(*) AS n FROM posts") == 0
    assert await query_int(api.database, "SELECT count(*) AS n FROM share_records") == 0
    (account,) = (await api.request("GET", "/accounts", user="anna")).json["items"]
    assert (account["id"], account["label"], account["isDefault"]) == (str(annas), None, True)
    assert not [request for request in mastodon.requests if request.target == "/oauth/revoke"]


async def test_an_account_of_another_platform_cannot_be_named(posting_api: Api, mastodon: FakeMastodon) -> None:
    account = await connect_mastodon(posting_api, mastodon, "anna")
    response = await share(posting_api, "anna", accounts={"twitter": str(account)})
    assert invalid_paths(response) == ["accounts.twitter"]


async def test_a_key_acts_for_no_user_whom_it_may_not_name(posting_api: Api, mastodon: FakeMastodon) -> None:
    annas = await connect_mastodon(posting_api, mastodon, "anna")
    plain, acting = await posting_api.key("plain", "shares"), await posting_api.key("acting", "shares", "act-as")
    for key, status in ((plain, 403), (acting, 200)):
        headers = {"x-api-key": key, "x-user-id": "anna"}
        changed = await posting_api.request(
            "PATCH", f"/accounts/{annas}", {"label": "by key"}, user=None, headers=headers
        )
        assert changed.status == status, changed
    own = await posting_api.request("PATCH", f"/accounts/{annas}", {}, user=None, headers={"x-api-key": acting})
    assert own.status == 404
