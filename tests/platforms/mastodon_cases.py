"""A connected account on a fake Mastodon server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.platforms._api import SETTLING
from sharetally.adapters.platforms.mastodon.client import MastodonPublisher
from sharetally.adapters.platforms.mastodon.connect import MastodonConnector
from sharetally.domain.account import Account, Tokens
from sharetally.domain.post import Draft, LookOutcome, PublishOutcome
from sharetally.ports.posting_platform import Authorization, Connection
from sharetally.ports.server_names import ServerNames
from tests.fakes.mastodon import FakeMastodon
from tests.fakes.oauth import challenge_of
from tests.platforms.cases import CALLBACK, NO_TLS, URL, VERIFIER, Clock, Impatient, account_of, new_draft


@dataclass(kw_only=True)
class Site:
    """A server, and a connector for it."""

    fake: FakeMastodon
    outbound: Impatient
    connector: MastodonConnector

    async def authorize(self, server: str | None = None) -> Authorization:
        return await self.connector.authorize(
            state="a-state",
            redirect_uri=CALLBACK,
            code_challenge=challenge_of(VERIFIER),
            server=server or self.fake.url,
        )

    async def connect(self) -> Connection:
        """A user names the server, agrees there, and comes back."""
        authorization = await self.authorize()
        (connection,) = await self.connector.exchange(
            parameters=self.fake.agree(authorization.url),
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
            private=authorization.private,
        )
        return connection


@dataclass(kw_only=True)
class Case(Site):
    """A connected account and a post."""

    publisher: MastodonPublisher
    connection: Connection
    account: Account
    tokens: Tokens
    draft: Draft
    clock: Clock

    async def prepare(self) -> Draft:
        found = await self.publisher.prepare(self.account, self.tokens, self.draft)
        assert isinstance(found, Mapping), found
        self.draft = replace(self.draft, prepared=found)
        return self.draft

    async def publish(self) -> PublishOutcome:
        return await self.publisher.publish(self.account, self.tokens, self.draft)

    async def look(self) -> LookOutcome:
        """Look once the list of posts has settled."""
        self.clock.ahead = SETTLING
        try:
            return await self.publisher.look(self.account, self.tokens, self.draft)
        finally:
            self.clock.ahead = timedelta()

    def copies(self) -> int:
        """How many posts with the address of this one are on the server."""
        return sum(URL in text for text in self.fake.texts())


@asynccontextmanager
async def opened_site() -> AsyncIterator[Site]:
    fake, outbound = FakeMastodon(), Impatient(OutboundClient(ssl_context=NO_TLS))
    try:
        async with fake.serving():
            names = ServerNames(exceptions=frozenset({fake.url}))
            yield Site(fake=fake, outbound=outbound, connector=MastodonConnector(outbound, names=names))
    finally:
        await outbound.close()


@asynccontextmanager
async def opened() -> AsyncIterator[Case]:
    async with opened_site() as site:
        connection, clock = await site.connect(), Clock()
        yield Case(
            fake=site.fake,
            outbound=site.outbound,
            connector=site.connector,
            publisher=MastodonPublisher(site.outbound, now=clock),
            connection=connection,
            account=account_of(connection, "mastodon"),
            tokens=connection.tokens,
            draft=new_draft(),
            clock=clock,
        )
