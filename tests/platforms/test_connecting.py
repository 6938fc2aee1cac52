"""Connecting accounts by OAuth: what everybody's flow has in common, and what each platform does in its own way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from sharetally.adapters.platforms.facebook.connect import FacebookConnector
from sharetally.adapters.platforms.linkedin.connect import LinkedInConnector
from sharetally.adapters.platforms.threads.connect import ThreadsConnector
from sharetally.adapters.platforms.twitter.connect import TwitterConnector
from sharetally.domain.account import Tokens
from sharetally.domain.post import AccessDenied, Posted
from sharetally.ports.posting_platform import ConnectFailed, Connector, GrantLost, PlatformUnavailable
from tests.fakes import facebook, linkedin, threads, twitter
from tests.fakes.api_server import Ending, Fault, Reply
from tests.fakes.facebook import FakeFacebook, Page
from tests.fakes.graph import INVALID_TOKEN, OUTAGE, graph_error
from tests.fakes.linkedin import FakeLinkedIn
from tests.fakes.oauth import CLIENT_ID
from tests.fakes.threads import FakeThreads
from tests.fakes.twitter import FakeTwitter
from tests.platforms.cases import (
    CALLBACK,
    KITS,
    PUBLISHERS,
    VERIFIER,
    Clock,
    account_of,
    agree,
    connect,
    opened,
    serving,
    within,
)

pytestmark = pytest.mark.anyio
PROFILES = {
    "twitter": (twitter.USER_ID, "example"),
    "linkedin": (linkedin.MEMBER_ID, "Example Member"),
    "facebook": (facebook.PAGE_ID, "Example Page"),
    "threads": (threads.USER_ID, "example"),
}
SCOPES = {
    "twitter": {"tweet.read", "tweet.write", "users.read", "offline.access"},
    "linkedin": {"openid", "profile", "w_member_social"},
    "facebook": {"pages_manage_posts", "pages_read_engagement", "pages_show_list"},
    "threads": {"threads_basic", "threads_content_publish", "threads_delete"},
}


@pytest.fixture(params=PUBLISHERS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_an_account_is_connected(platform: str) -> None:
    async with serving(platform) as (fake, connector, _):
        (connection,) = await connect(fake, connector)
        assert (connection.profile.external_id, connection.profile.handle) == PROFILES[platform]
        assert connection.profile.server == ""
        assert set(fake.grants.scopes[0].replace(",", " ").split()) == SCOPES[platform]
        assert connector.platform == platform


async def test_the_redirect_uri_is_exact_and_the_state_comes_back(platform: str) -> None:
    async with serving(platform) as (_, connector, _):
        authorization = await connector.authorize(
            state="a state & more", redirect_uri=CALLBACK, code_challenge="c" * 43, server=""
        )
        sent = dict(parse_qsl(urlsplit(authorization.url).query))
        assert sent["redirect_uri"] == CALLBACK
        assert sent["state"] == "a state & more"


@pytest.mark.parametrize(
    "change", [{"code": "stolen"}, {"code": ""}, {"error": "access_denied"}, {"error": "<script>"}]
)
async def test_a_callback_that_is_no_agreement_connects_nothing(platform: str, change: dict[str, str]) -> None:
    async with serving(platform) as (fake, connector, _):
        parameters = await agree(fake, connector) | change
        with pytest.raises(ConnectFailed) as refused:
            await connector.exchange(parameters=parameters, redirect_uri=CALLBACK, code_verifier=VERIFIER, private={})
        assert "<" not in str(refused.value)


async def test_where_users_go_to_agree() -> None:
    async with serving("twitter") as (_, _, outbound):
        connectors: list[Connector] = [
            TwitterConnector(outbound, client_id="a", client_secret=None),
            LinkedInConnector(outbound, client_id="a", client_secret="b"),
            FacebookConnector(outbound, client_id="a", client_secret="b", api_version="v26.0"),
            ThreadsConnector(outbound, client_id="a", client_secret="b"),
        ]
        begun = [
            await each.authorize(state="s", redirect_uri=CALLBACK, code_challenge="c", server="") for each in connectors
        ]
    assert [each.url.partition("?")[0] for each in begun] == [
        "https://x.com/i/oauth2/authorize",
        "https://www.linkedin.com/oauth/v2/authorization",
        "https://www.facebook.com/v26.0/dialog/oauth",
        "https://threads.net/oauth/authorize",
    ]


async def test_a_code_works_once(platform: str) -> None:
    async with serving(platform) as (fake, connector, _):
        parameters = await agree(fake, connector)
        once = {"parameters": parameters, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "private": {}}
        await connector.exchange(**once)  # type: ignore[arg-type]
        with pytest.raises(ConnectFailed):
            await connector.exchange(**once)  # type: ignore[arg-type]


async def test_x_verifies_who_began() -> None:
    async with serving("twitter") as (fake, connector, _):
        parameters = await agree(fake, connector)
        with pytest.raises(ConnectFailed):
            await connector.exchange(
                parameters=parameters, redirect_uri=CALLBACK, code_verifier="another" * 7, private={}
            )


@pytest.mark.parametrize(
    "fault",
    [
        Fault(carried_out=True, ending=Ending.RESET),
        Fault(carried_out=True, ending=Ending.MALFORMED),
        Fault(carried_out=False, reply=Reply(status=502), ending=Ending.MALFORMED),
    ],
    ids=["reset", "malformed", "502"],
)
async def test_a_platform_that_is_away_is_not_an_answer(platform: str, fault: Fault) -> None:
    async with serving(platform) as (fake, connector, _):
        parameters = await agree(fake, connector)
        fake.fail("token", fault)
        with pytest.raises(PlatformUnavailable):
            await connector.exchange(parameters=parameters, redirect_uri=CALLBACK, code_verifier=VERIFIER, private={})


@pytest.mark.parametrize("platform", ["twitter", "linkedin"])
async def test_a_refused_client_costs_nobody_the_account(platform: str) -> None:
    """The operator has changed the secret: users do not have to do anything."""
    async with opened(platform) as case:
        error = {"error": "invalid_client", "error_description": "Client authentication failed"}
        tokens = replace(case.tokens, refresh=case.tokens.refresh or "any")
        case.fake.fail("token", Fault(carried_out=False, reply=Reply(status=401, json=error)))
        with pytest.raises(PlatformUnavailable):
            await case.connector.refresh(case.account, tokens)


# X


async def test_x_rotates_the_refresh_token() -> None:
    async with opened("twitter") as case:
        assert within(case.tokens.expires_at, 60, timedelta(hours=2))
        renewed = await case.connector.refresh(case.account, case.tokens)
        assert renewed.refresh not in {None, case.tokens.refresh}
        assert renewed.access != case.tokens.access
        case.tokens = renewed
        assert isinstance(await case.publisher.publish(case.account, renewed, await case.prepared()), Posted)


async def test_x_does_not_accept_a_refresh_token_twice() -> None:
    """It says invalid_request, and only the exact description tells that the grant is gone."""
    async with opened("twitter") as case:
        await case.connector.refresh(case.account, case.tokens)
        with pytest.raises(GrantLost):
            await case.connector.refresh(case.account, case.tokens)
        error = {"error": "invalid_request", "error_description": "Missing required parameter [client_id]."}
        case.fake.fail("token", Fault(carried_out=False, reply=Reply(status=400, json=error)))
        with pytest.raises(PlatformUnavailable):
            await case.connector.refresh(case.account, case.tokens)


async def test_x_without_a_new_refresh_token_keeps_the_old_one() -> None:
    async with opened("twitter") as case:
        body = {"token_type": "bearer", "expires_in": 7200, "access_token": "new", "scope": "tweet.write"}
        case.fake.fail("token", Fault(carried_out=False, reply=Reply(json=body)))
        renewed = await case.connector.refresh(case.account, case.tokens)
        assert (renewed.access, renewed.refresh) == ("new", case.tokens.refresh)


async def test_x_takes_the_permission_back() -> None:
    async with opened("twitter") as case:
        for _ in range(2):  # what is gone is gone
            await case.connector.revoke(case.account, case.tokens)
        assert isinstance(await case.publisher.publish(case.account, case.tokens, await case.prepared()), AccessDenied)
        case.fake.fail("revoke", Fault(carried_out=False, reply=twitter.UNAVAILABLE))
        with pytest.raises(PlatformUnavailable):
            await case.connector.revoke(case.account, case.tokens)


async def test_x_without_a_refresh_token_cannot_be_renewed() -> None:
    async with opened("twitter") as case:
        with pytest.raises(GrantLost):
            await case.connector.refresh(case.account, Tokens(access="any"))


async def test_a_client_of_x_without_a_secret_says_who_it_is() -> None:
    async with serving("twitter") as (fake, _, outbound):
        assert isinstance(fake, FakeTwitter)
        fake.is_public = True
        connector = TwitterConnector(outbound, client_id=CLIENT_ID, client_secret=None, base_url=fake.url)
        (connection,) = await connect(fake, connector)
        renewed = await connector.refresh(account_of(connection, "twitter"), connection.tokens)
        assert renewed.access != connection.tokens.access


# LinkedIn


async def test_linkedin_gives_sixty_days_and_no_refresh_token() -> None:
    async with opened("linkedin") as case:
        assert within(case.tokens.expires_at, 60, timedelta(days=60))
        assert case.tokens.refresh is None
        with pytest.raises(GrantLost):
            await case.connector.refresh(case.account, case.tokens)
        await case.connector.revoke(case.account, case.tokens)


async def test_linkedin_renews_for_partners() -> None:
    async with serving("linkedin") as (fake, connector, _):
        assert isinstance(fake, FakeLinkedIn)
        fake.is_partner = True
        (connection,) = await connect(fake, connector)
        account = account_of(connection, "linkedin")
        renewed = await connector.refresh(account, connection.tokens)
        assert renewed.access != connection.tokens.access
        fake.grants.revoke_all()
        with pytest.raises(GrantLost):
            await connector.refresh(account, renewed)


# Facebook


async def test_facebook_offers_every_page() -> None:
    async with serving("facebook") as (fake, connector, _):
        assert isinstance(fake, FakeFacebook)
        fake.pages = [Page(id=str(number), name=f"Page {number}") for number in range(250)]
        connections = await connect(fake, connector)
        assert [each.profile.handle for each in connections] == [page.name for page in fake.pages]
        assert {each.tokens.expires_at for each in connections} == {None}
        assert len({each.tokens.access for each in connections}) == 250


async def test_facebook_offers_no_page_without_a_token_of_its_own() -> None:
    async with serving("facebook") as (fake, connector, _):
        assert isinstance(fake, FakeFacebook)
        fake.pages.append(Page(id="2", name="Somebody's Page", has_token=False))
        (connection,) = await connect(fake, connector)
        assert connection.profile.external_id == facebook.PAGE_ID
        fake.pages = fake.pages[1:]
        with pytest.raises(ConnectFailed, match="Somebody's Page"):
            await connect(fake, connector)
        fake.pages = []
        with pytest.raises(ConnectFailed, match="no page"):
            await connect(fake, connector)


async def test_facebook_keeps_no_token_of_the_user() -> None:
    async with opened("facebook") as case:
        kept = {case.tokens.access, *case.tokens.private.values()}
        assert not kept & case.fake.grants.access
        assert case.tokens.refresh is None


async def test_facebook_takes_the_permission_back_for_all_pages() -> None:
    async with opened("facebook") as case:
        for _ in range(2):
            await case.connector.revoke(case.account, case.tokens)
        outcome = await case.publisher.publish(case.account, case.tokens, await case.prepared())
        assert isinstance(outcome, AccessDenied)
        with pytest.raises(GrantLost):
            await case.connector.refresh(case.account, case.tokens)
        case.fake.fail("permissions", Fault(carried_out=False, reply=OUTAGE))
        with pytest.raises(PlatformUnavailable):
            await case.connector.revoke(case.account, case.tokens)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (graph_error(100, "This authorization code has expired.", subcode=36_007), ConnectFailed),
        (graph_error(101, "Error validating application. Cannot get application info."), ConnectFailed),
        (graph_error(1, "An unknown error has occurred.", transient=True), PlatformUnavailable),
    ],
)
async def test_facebook_classifies_by_code(reply: Reply, expected: type[Exception]) -> None:
    async with serving("facebook") as (fake, connector, _):
        parameters = await agree(fake, connector)
        fake.fail("token", Fault(carried_out=False, reply=reply))
        with pytest.raises(expected):
            await connector.exchange(parameters=parameters, redirect_uri=CALLBACK, code_verifier=VERIFIER, private={})


# Threads


async def test_threads_gives_sixty_days_at_once() -> None:
    async with opened("threads") as case:
        assert within(case.tokens.expires_at, 60, timedelta(days=60))
        assert case.tokens.refresh == case.tokens.access


async def test_threads_renews_a_token_from_its_second_day() -> None:
    now = [datetime.now(UTC)]
    async with opened("threads", lambda: now[0]) as case:
        assert isinstance(case.fake, FakeThreads)
        assert await case.connector.refresh(case.account, case.tokens) == case.tokens, "too young, and still good"
        case.fake.now = now[0] = now[0] + timedelta(hours=25)
        renewed = await case.connector.refresh(case.account, case.tokens)
        assert renewed.access != case.tokens.access
        assert renewed.refresh == renewed.access
        assert renewed.expires_at is not None
        assert renewed.expires_at > now[0] + timedelta(days=59)
        paths = [request.target.partition("?")[0] for request in case.fake.requests]
        assert paths.count("/refresh_access_token") == 1


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(hours=25)])
async def test_threads_says_when_the_user_has_removed_the_service(age: timedelta) -> None:
    now = [datetime.now(UTC)]
    async with opened("threads", lambda: now[0]) as case:
        now[0] += age
        for operation in ("me", "refresh"):
            case.fake.fail(operation, Fault(carried_out=False, reply=OUTAGE))
        with pytest.raises(PlatformUnavailable):
            await case.connector.refresh(case.account, case.tokens)
        case.fake.faults.clear()
        case.fake.grants.revoke_all()
        with pytest.raises(GrantLost):
            await case.connector.refresh(case.account, case.tokens)
        await case.connector.revoke(case.account, case.tokens)


async def test_threads_connects_nothing_without_the_long_lived_token() -> None:
    async with serving("threads") as (fake, connector, _):
        fake.fail("long_lived", Fault(carried_out=False, reply=INVALID_TOKEN))
        with pytest.raises(ConnectFailed):
            await connect(fake, connector)


async def test_no_secret_is_in_a_repr(platform: str) -> None:
    async with serving(platform) as (fake, connector, outbound):
        (connection,) = await connect(fake, connector)
        publisher = KITS[platform].publisher(fake, outbound, Clock())
        shown = repr([connection, connector, publisher, vars(connector)])
        for secret in (connection.tokens.access, connection.tokens.refresh):
            assert secret is None or secret not in shown
