"""Connecting an account on a real Bluesky server: by OAuth, as either kind of client, and by an app password."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from sharetally.domain.ids import new_id
from sharetally.domain.post import AccessDenied, Posted
from sharetally.ports.posting_platform import ConnectFailed, GrantLost, PlatformUnavailable
from tests.platforms.bluesky_cases import Site, case_of, client_key, opened_site, publishing_documents
from tests.platforms.cases import account_of
from tests.platforms.pds.agreement import agree
from tests.platforms.pds.server import MAIN_PASSWORD, PersonalDataServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(pds: PersonalDataServer) -> AsyncIterator[Site]:
    async with opened_site(pds) as made:
        yield made


# OAuth


@pytest.mark.parametrize("named", ["handle", "@handle", "did", "server", "nothing"])
async def test_an_account_is_connected(site: Site, named: str) -> None:
    user = site.user
    names = {"handle": user.handle, "@handle": f" @{user.handle.upper()} ", "did": user.did, "server": site.pds.url}
    connection = await site.connect(names.get(named, ""))
    assert connection.profile.external_id == user.did
    assert connection.profile.handle == user.handle
    assert connection.profile.server == site.pds.url
    assert connection.tokens.refresh is not None
    assert connection.tokens.expires_at is not None
    assert connection.tokens.expires_at > datetime.now(UTC) + timedelta(minutes=30)
    shown = repr(connection)
    key = json.loads(connection.tokens.private["dpop_key"])
    assert not any(secret in shown for secret in (connection.tokens.access, connection.tokens.refresh, key["d"]))


async def test_a_post_by_oauth(site: Site) -> None:
    """Its first request has no nonce; the server demands one, and the post arrives once."""
    case = case_of(site, await site.connect())
    await case.prepare()
    outcome = await case.publish()
    assert isinstance(outcome, Posted)
    assert case.texts() == [case.draft.text]
    assert await case.publisher.delete(case.account, case.tokens, outcome.external_id) is None


async def test_the_browser_carries_no_secret(site: Site) -> None:
    authorization = await site.authorize()
    assert set(parse_qs(urlsplit(authorization.url).query)) == {"client_id", "request_uri"}
    key = json.loads(authorization.private["dpop_key"])
    assert key["d"] not in authorization.url + repr(authorization)


async def test_tokens_are_refreshed_and_the_old_ones_end(site: Site) -> None:
    case = case_of(site, await site.connect())
    old, new = case.tokens, await site.connector.refresh(case.account, case.tokens)
    assert new.access != old.access
    assert new.refresh != old.refresh
    assert new.private == old.private
    await case.prepare()
    assert isinstance(await case.publish(), AccessDenied)
    case.tokens = new
    assert isinstance(await case.publish(), Posted)
    with pytest.raises(GrantLost):
        await site.connector.refresh(case.account, old)
    with pytest.raises(GrantLost):  # a replay ends the grant as a whole
        await site.connector.refresh(case.account, new)
    case.draft = replace(case.draft, id=new_id())
    await case.prepare()
    assert isinstance(await case.publish(), AccessDenied)


async def test_a_grant_is_given_back(site: Site) -> None:
    connection = await site.connect()
    account = account_of(connection, "bluesky")
    for _ in range(2):
        await site.connector.revoke(account, connection.tokens)
    with pytest.raises(GrantLost):
        await site.connector.refresh(account, connection.tokens)


async def test_a_user_declines(site: Site) -> None:
    authorization = await site.authorize()
    parameters = await agree(authorization.url, site.user, declines=True)
    with pytest.raises(ConnectFailed, match="did not agree"):
        await site.exchange(authorization, parameters)


async def test_an_answer_from_another_server(site: Site) -> None:
    """Somebody mixes up two sign-ins (RFC 9207): the code goes nowhere."""
    authorization = await site.authorize()
    parameters = await agree(authorization.url, site.user)
    for iss in ({"iss": "https://evil.example"}, {}):
        mixed_up = {name: value for name, value in parameters.items() if name != "iss"} | iss
        with pytest.raises(ConnectFailed, match="another server"):
            await site.exchange(authorization, mixed_up)
    assert (await site.exchange(authorization, parameters)).profile.external_id == site.user.did


async def test_another_verifier(site: Site) -> None:
    authorization = await site.authorize()
    with pytest.raises(ConnectFailed):
        await site.exchange(authorization, await agree(authorization.url, site.user), verifier="x" * 43)


async def test_another_account_than_the_one_that_was_named(site: Site) -> None:
    """The issuer answers for an account that is not the one with which this began."""
    authorization = await site.authorize()
    parameters = await agree(authorization.url, site.user)
    other = await asyncio.to_thread(site.pds.new_user)
    named = replace(authorization, private={**authorization.private, "account": other.did})
    with pytest.raises(ConnectFailed, match="another account"):
        await site.exchange(named, parameters)


async def test_a_name_that_nobody_has(site: Site) -> None:
    with pytest.raises(ConnectFailed, match="no account"):
        await site.authorize("@nobody-at-all.test")
    with pytest.raises(ConnectFailed):
        await site.authorize("http://169.254.169.254")
    with pytest.raises(ConnectFailed):
        await site.authorize("did:plc:" + "a" * 24)


async def test_a_server_that_is_down(site: Site) -> None:
    connection = await site.connect()
    account = account_of(connection, "bluesky")
    site.outbound.deadline = 0.001
    with pytest.raises(PlatformUnavailable):
        await site.authorize()
    with pytest.raises(PlatformUnavailable):
        await site.connector.refresh(account, connection.tokens)
    with pytest.raises(PlatformUnavailable):
        await site.connector.revoke(account, connection.tokens)


# a confidential client


async def test_a_confidential_client_and_a_change_of_its_key(site: Site) -> None:
    """The next key is published before it is used; a session goes on with the key with which it began."""
    first, second = client_key("one"), client_key("two")
    site.client_keys = (first, second)
    async with publishing_documents(site):
        connection = await site.connect()
        assert connection.tokens.private["key_id"] == "one"
        account = account_of(connection, "bluesky")
        site.client_keys = (second, first)
        tokens = await site.connector.refresh(account, connection.tokens)
        case = case_of(site, replace(connection, tokens=tokens))
        await case.prepare()
        assert isinstance(await case.publish(), Posted)
        assert (await site.connect()).tokens.private["key_id"] == "two"
        site.client_keys = (second,)
        with pytest.raises(GrantLost, match="key"):
            await site.connector.refresh(account, tokens)


async def test_sessions_of_a_public_client_go_on_when_it_becomes_confidential(site: Site) -> None:
    """Servers then demand a key from everybody, and bind the old sessions to the one that they are shown."""
    async with publishing_documents(site):
        connection, given_back = await site.connect(), await site.connect()
        account = account_of(connection, "bluesky")
        site.client_keys = (client_key("one"),)
        early = await site.connector.refresh(account, connection.tokens)  # the server still knows the old documents
        assert early.private["key_id"] == "one"
        await asyncio.to_thread(site.pds.forget_documents)
        tokens = await site.connector.refresh(account, early)
        case = case_of(site, replace(connection, tokens=tokens))
        await case.prepare()
        assert isinstance(await case.publish(), Posted)
        await site.connector.revoke(account, given_back.tokens)
        with pytest.raises(GrantLost):
            await site.connector.refresh(account, given_back.tokens)
        site.client_keys = (client_key("two"), *site.client_keys)
        await asyncio.to_thread(site.pds.forget_documents)
        assert (await site.connector.refresh(account, tokens)).private["key_id"] == "one"


async def test_a_connection_that_was_begun_without_a_key_is_finished_with_one(site: Site) -> None:
    async with publishing_documents(site):
        authorization = await site.authorize()
        parameters = await agree(authorization.url, site.user)
        site.client_keys = (client_key("one"),)
        await asyncio.to_thread(site.pds.forget_documents)
        assert (await site.exchange(authorization, parameters)).tokens.private["key_id"] == "one"


async def test_a_public_client_with_an_address(site: Site) -> None:
    async with publishing_documents(site):
        connection = await site.connect()
        account = account_of(connection, "bluesky")
        assert (await site.connector.refresh(account, connection.tokens)).access != connection.tokens.access


# app passwords


async def test_an_app_password(site: Site) -> None:
    connection = await site.sign_in()
    assert connection.profile.external_id == site.user.did
    assert connection.profile.server == site.pds.url
    assert connection.tokens.expires_at is not None
    assert connection.tokens.expires_at > datetime.now(UTC) + timedelta(minutes=30)
    assert site.user.app_password not in repr(connection)
    account = account_of(connection, "bluesky")
    fresh = await site.connector.refresh(account, connection.tokens)
    assert fresh.refresh != connection.tokens.refresh


async def test_a_session_that_is_lost_begins_again(site: Site) -> None:
    connection = await site.sign_in()
    account = account_of(connection, "bluesky")
    for _ in range(2):
        await site.connector.revoke(account, connection.tokens)
    fresh = await site.connector.refresh(account, connection.tokens)
    assert fresh.refresh != connection.tokens.refresh
    case = case_of(site, replace(connection, tokens=fresh))
    await case.prepare()
    assert isinstance(await case.publish(), Posted)
    site.pds.call("com.atproto.server.revokeAppPassword", {"name": "sharetally"}, access=site.user.access)
    with pytest.raises(GrantLost):
        await site.connector.refresh(account, connection.tokens)


async def test_the_main_password_is_not_even_sent(site: Site) -> None:
    with pytest.raises(ConnectFailed, match="app password"):
        await site.connector.sign_in(identifier=site.user.handle, password=MAIN_PASSWORD, server=site.pds.url)


async def test_a_wrong_app_password(site: Site) -> None:
    with pytest.raises(ConnectFailed, match="check both"):
        await site.connector.sign_in(identifier=site.user.handle, password="aaaa-bbbb-cccc-dddd", server="")
