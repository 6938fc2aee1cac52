"""Connecting an account on a Mastodon server that a user names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import parse_qs, urlsplit

import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
from sharetally.adapters.platforms.mastodon.connect import MastodonConnector
from sharetally.ports.posting_platform import ConnectFailed, GrantLost, PlatformUnavailable
from sharetally.ports.server_names import ServerNames
from tests.fakes import mastodon as fake
from tests.fakes.api_server import Ending, Fault
from tests.fakes.oauth import CLIENT_SECRET
from tests.platforms.cases import CALLBACK, NO_TLS, VERIFIER
from tests.platforms.mastodon_cases import Case, Site, opened, opened_site

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened_site() as made:
        yield made


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    async with opened() as made:
        yield made


async def test_an_account_is_connected(site: Site) -> None:
    connection = await site.connect()
    assert connection.profile.external_id == fake.USER_ID
    assert connection.profile.server == site.fake.url
    assert connection.profile.handle == f"@mara@{urlsplit(site.fake.url).netloc}"
    assert connection.tokens.expires_at is None
    assert site.fake.registered == [
        {"client_name": "Sharetally", "redirect_uris": CALLBACK, "scopes": site.fake.grants.scopes[0]}
    ]
    assert CLIENT_SECRET not in repr(connection)


async def test_the_server_learns_what_it_needs_and_no_secret(site: Site) -> None:
    authorization = await site.authorize()
    query = parse_qs(urlsplit(authorization.url).query)
    assert authorization.url.startswith(f"{site.fake.url}/oauth/authorize?")
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [CALLBACK]
    assert CLIENT_SECRET not in authorization.url + repr(authorization)
    assert VERIFIER not in authorization.url


async def test_another_verifier_and_a_code_used_twice(site: Site) -> None:
    authorization = await site.authorize()
    parameters = site.fake.agree(authorization.url)
    for verifier in ("x" * 43, VERIFIER):
        with pytest.raises(ConnectFailed, match="connect again"):
            await site.connector.exchange(
                parameters=parameters, redirect_uri=CALLBACK, code_verifier=verifier, private=authorization.private
            )


async def test_a_user_declines(site: Site) -> None:
    authorization = await site.authorize()
    with pytest.raises(ConnectFailed, match="did not agree"):
        await site.connector.exchange(
            parameters={"error": "access_denied", "state": "a-state"},
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
            private=authorization.private,
        )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(carried_out=False, reply=fake.error(403, "Registrations are closed")), ConnectFailed),
        (Fault(carried_out=False, reply=fake.NOT_FOUND), ConnectFailed),
        (Fault(carried_out=True, ending=Ending.MALFORMED), ConnectFailed),
        (Fault(carried_out=False, reply=fake.error(429, fake.TOO_MANY)), PlatformUnavailable),
        (Fault(carried_out=False, reply=fake.UNAVAILABLE), PlatformUnavailable),
        (Fault(carried_out=True, ending=Ending.RESET), PlatformUnavailable),
    ],
)
async def test_a_server_that_does_not_register_us(site: Site, fault: Fault, expected: type[Exception]) -> None:
    site.fake.fail("register", fault)
    with pytest.raises(expected):
        await site.authorize()


@pytest.mark.parametrize("operation", ["token", "verify"])
async def test_a_server_that_breaks_on_the_way(site: Site, operation: str) -> None:
    site.fake.fail(operation, Fault(carried_out=False, reply=fake.UNAVAILABLE))
    with pytest.raises(PlatformUnavailable):
        await site.connect()


async def test_tokens_stay_the_same_as_long_as_they_are_good(case: Case) -> None:
    assert await case.connector.refresh(case.account, case.tokens) == case.tokens
    case.fake.fail("verify", Fault(carried_out=False, reply=fake.UNAVAILABLE))
    with pytest.raises(PlatformUnavailable):
        await case.connector.refresh(case.account, case.tokens)
    case.fake.grants.revoke_all()
    with pytest.raises(GrantLost):
        await case.connector.refresh(case.account, case.tokens)


async def test_a_server_that_gives_refresh_tokens(site: Site) -> None:
    async with opened() as case:
        case.fake.gives_refresh_tokens = True
        old = (await case.connect()).tokens
        assert old.expires_at is not None
        new = await case.connector.refresh(case.account, old)
        assert new.access != old.access
        assert new.refresh not in {None, old.refresh}
        assert new.private == old.private
        with pytest.raises(GrantLost):
            await case.connector.refresh(case.account, old)


async def test_a_token_is_given_back(case: Case) -> None:
    for _ in range(2):
        await case.connector.revoke(case.account, case.tokens)
    assert case.fake.grants.access == set()
    case.fake.fail("revoke", Fault(carried_out=False, reply=fake.UNAVAILABLE))
    with pytest.raises(PlatformUnavailable):
        await case.connector.revoke(case.account, case.tokens)


# which server somebody means


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("social.example", "https://social.example"),
        (" Social.Example. ", "https://social.example"),
        ("@mara@social.example", "https://social.example"),
        ("mara@social.example", "https://social.example"),
        ("https://social.example/@mara", "https://social.example"),
        ("https://social.example/", "https://social.example"),
        ("social.example/@mara", "https://social.example"),
        ("grüße.example", "https://xn--gre-6ka8l.example"),
        ("http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_the_server_that_somebody_means(written: str, meant: str) -> None:
    assert ServerNames(exceptions=frozenset({"http://localhost:3000"})).base_url(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "@mara",
        "mara",
        "localhost",
        "localhost:3000",
        "http://social.example",
        "ftp://social.example",
        "social.example:8080",
        "https://social.example:8080",
        "https://user:password@social.example",
        "127.0.0.1",
        "https://127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "1.2.3.0x7f",
        "[::1]",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]/",
        "printer.local",
        "db.internal",
        "router.home.arpa",
        "a..b",
        "-a.example",
        "a b.example",
        "social.example\r\nHost: other",
        "social.example#@other",
        f"{'a' * 64}.example",
        f"{'a.' * 130}example",
    ],
)
def test_what_is_not_a_server(written: str) -> None:
    with pytest.raises(ConnectFailed):
        ServerNames().base_url(written)


async def test_a_public_name_with_a_private_address() -> None:
    async def private(host: str, port: int) -> Sequence[str]:
        return ["::ffff:169.254.169.254"]

    outbound = OutboundClient(ssl_context=NO_TLS, guard=AddressGuard(resolve=private))
    connector = MastodonConnector(outbound)
    with pytest.raises(ConnectFailed, match="not on the public internet"):
        await connector.authorize(state="s", redirect_uri=CALLBACK, code_challenge="c", server="social.example")
    await outbound.close()
