"""A second opinion about Mastodon: a server that somebody else wrote understands what this service sends.

Our own fake is stricter (it checks PKCE and scopes), but it reads the documentation as our client does.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.platforms._api import SETTLING
from sharetally.adapters.platforms.mastodon.client import MastodonPublisher
from sharetally.adapters.platforms.mastodon.connect import MastodonConnector
from sharetally.domain.post import AccessDenied, NotThere, Posted, PostRejected
from sharetally.ports.posting_platform import Connection, GrantLost
from sharetally.ports.server_names import ServerNames
from tests.conftest import report_untested
from tests.fakes.oauth import challenge_of
from tests.platforms.cases import CALLBACK, NO_TLS, VERIFIER, Clock, account_of, new_draft
from tests.platforms.mastodon_mock.server import MastodonMock, open_mastodon_mock
from tests.services.server import Unavailable

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MastodonMock]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(open_mastodon_mock(tmp_path_factory.mktemp("mastodon_mock")))
        except Unavailable as error:
            report_untested(pytestconfig, f"mastodon_mock: {error}")
            give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            give_up("no mastodon_mock; the end of the run says why")
        yield running


@pytest.fixture
async def outbound() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(ssl_context=NO_TLS)
    yield client
    await client.close()


@pytest.fixture
def connector(server: MastodonMock, outbound: OutboundClient) -> MastodonConnector:
    return MastodonConnector(outbound, names=ServerNames(exceptions=frozenset({server.url})))


@pytest.fixture
async def user(server: MastodonMock) -> str:
    return await asyncio.to_thread(server.new_user)


@pytest.fixture
async def connection(server: MastodonMock, connector: MastodonConnector, user: str) -> Connection:
    """The service registers, the user agrees, and the code is exchanged for a token."""
    authorization = await connector.authorize(
        state="a-state", redirect_uri=CALLBACK, code_challenge=challenge_of(VERIFIER), server=server.url
    )
    parameters = await asyncio.to_thread(server.agree, authorization.url, user)
    assert parameters["state"] == "a-state"
    (found,) = await connector.exchange(
        parameters=parameters, redirect_uri=CALLBACK, code_verifier=VERIFIER, private=authorization.private
    )
    return found


async def test_the_account_that_the_user_chose_is_connected(
    server: MastodonMock, connection: Connection, user: str
) -> None:
    host = server.url.partition("//")[2]
    assert (connection.profile.handle, connection.profile.server) == (f"@{user}@{host}", server.url)


async def test_a_post_arrives_once_is_found_and_is_deleted(outbound: OutboundClient, connection: Connection) -> None:
    clock = Clock()
    publisher, tokens = MastodonPublisher(outbound, now=clock), connection.tokens
    account = account_of(connection, "mastodon")
    draft = replace(new_draft(), id=uuid4())
    prepared = await publisher.prepare(account, tokens, draft)
    assert isinstance(prepared, Mapping), prepared
    draft = replace(draft, prepared=prepared)

    async def texts() -> list[str]:
        path = f"{account.server}/api/v1/accounts/{account.external_id}/statuses"
        return [each["content"] for each in json.loads((await outbound.request("GET", path)).body)]

    first, *others = await asyncio.gather(*(publisher.publish(account, tokens, draft) for _ in range(5)))
    assert isinstance(first, Posted)
    assert set(others) == {first}, "the server knows the key"
    assert [draft.url in text for text in await texts()] == [True]
    clock.ahead = SETTLING
    assert await publisher.look(account, tokens, draft) == first
    assert await publisher.look(account, tokens, replace(draft, url=f"{draft.url}x")) == NotThere()
    for _ in range(2):
        assert await publisher.delete(account, tokens, first.external_id) is None
    assert await texts() == []
    assert await publisher.look(account, tokens, draft) == NotThere()


async def test_a_text_beyond_the_limit_of_the_server_is_refused_by_both(
    outbound: OutboundClient, connection: Connection
) -> None:
    publisher, account = MastodonPublisher(outbound), account_of(connection, "mastodon")
    draft = replace(new_draft("x" * 500 + " {url}"), id=uuid4())
    before = await publisher.prepare(account, connection.tokens, draft)
    assert isinstance(before, PostRejected)
    assert "the limit is 500" in before.message
    refused = await publisher.publish(account, connection.tokens, draft)
    assert isinstance(refused, PostRejected)
    assert "maximum is 500 characters" in refused.message


async def test_a_revoked_token_is_worth_nothing(
    outbound: OutboundClient, connector: MastodonConnector, connection: Connection
) -> None:
    publisher, tokens = MastodonPublisher(outbound), connection.tokens
    account = account_of(connection, "mastodon")
    assert await connector.refresh(account, tokens) == tokens
    for _ in range(2):  # one that is already gone is fine
        await connector.revoke(account, tokens)
    assert isinstance(await publisher.publish(account, tokens, new_draft()), AccessDenied)
    with pytest.raises(GrantLost):
        await connector.refresh(account, tokens)
