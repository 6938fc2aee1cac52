"""One platform under test: the fake, a connected account, and what a post to it looks like."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.platforms.facebook.client import FacebookPublisher
from sharetally.adapters.platforms.facebook.connect import FacebookConnector
from sharetally.adapters.platforms.linkedin.client import LinkedInPublisher
from sharetally.adapters.platforms.linkedin.connect import LinkedInConnector
from sharetally.adapters.platforms.threads.client import ThreadsPublisher
from sharetally.adapters.platforms.threads.connect import ThreadsConnector
from sharetally.adapters.platforms.twitter.client import TwitterPublisher
from sharetally.adapters.platforms.twitter.connect import TwitterConnector
from sharetally.domain.account import Account, AccountStatus, Tokens
from sharetally.domain.post import Draft, compose
from sharetally.ports.outbound import DEADLINE, MAX_BYTES, Outbound, OutboundResponse
from sharetally.ports.posting_platform import Connection, Connector, Publisher
from tests.fakes.facebook import FakeFacebook
from tests.fakes.linkedin import VERSION, FakeLinkedIn
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET, challenge_of
from tests.fakes.platform import FakePlatform as Fake
from tests.fakes.threads import FakeThreads
from tests.fakes.twitter import FakeTwitter

Now: TypeAlias = Callable[[], datetime]
PUBLISHERS = ("twitter", "linkedin", "facebook", "threads")
URL = "https://share.example.com/s/AbCd3Fgh"
CALLBACK = "https://share.example.com/oauth/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the fakes speak plain HTTP: no authority has to be loaded
IMPATIENT = 0.3  # seconds until a test takes an exchange for lost


class Impatient(Outbound):
    """The client that the service uses, with short deadlines, so that tests of time-outs are quick."""

    def __init__(self, client: OutboundClient) -> None:
        self._client = client
        self.deadline = 10.0

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float = DEADLINE,
        max_bytes: int = MAX_BYTES,
    ) -> OutboundResponse:
        """Send once."""
        return await self._client.request(
            method, url, headers=headers, body=body, deadline=self.deadline, max_bytes=max_bytes
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


class Clock:
    """The time of the service; a test may put it forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        """The time."""
        return datetime.now(UTC) + self.ahead


@dataclass(kw_only=True)
class Case:
    """Everything that a test needs to post to one platform."""

    fake: Fake
    outbound: Impatient
    connector: Connector
    publisher: Publisher
    connection: Connection
    account: Account
    tokens: Tokens
    draft: Draft
    clock: Clock

    async def prepared(self) -> Draft:
        """The draft, with what has to be known before it is published."""
        found = await self.publisher.prepare(self.account, self.tokens, self.draft)
        assert isinstance(found, Mapping), found
        self.draft = replace(self.draft, prepared=found)
        return self.draft

    def copies(self) -> int:
        """How many posts with this draft's address are on the server."""
        return sum(URL in text for text in self.fake.texts())

    def publisher_over(self, outbound: Outbound) -> Publisher:
        """The same publisher with another client."""
        return KITS[self.publisher.platform].publisher(self.fake, outbound, self.clock)


def new_draft(text: str = "Worth a look 👍 {url} #reading", url: str = URL) -> Draft:
    """A post that is requested now."""
    return Draft(id=UUID(int=7), text=compose(text, url), url=url, created_at=datetime.now(UTC))


def account_of(connection: Connection, platform: str) -> Account:
    """The account as the service keeps it."""
    now = datetime.now(UTC)
    return Account(
        id=UUID(int=1),
        user_id="mara",
        platform=platform,
        external_id=connection.profile.external_id,
        server=connection.profile.server,
        handle=connection.profile.handle,
        label=None,
        is_default=True,
        status=AccountStatus.CONNECTED,
        expires_at=connection.tokens.expires_at,
        created_at=now,
        updated_at=now,
    )


async def agree(fake: Fake, connector: Connector) -> dict[str, str]:
    """The user goes where the connector says, agrees there, and comes back with these parameters."""
    authorization = await connector.authorize(
        state="a-state", redirect_uri=CALLBACK, code_challenge=challenge_of(VERIFIER), server=""
    )
    parameters = fake.agree(authorization.url)
    assert parameters["state"] == "a-state"
    return parameters


async def connect(fake: Fake, connector: Connector) -> list[Connection]:
    """The whole way of connecting an account."""
    found = await connector.exchange(
        parameters=await agree(fake, connector), redirect_uri=CALLBACK, code_verifier=VERIFIER, private={}
    )
    return list(found)


@dataclass(frozen=True, kw_only=True)
class Kit:
    """How a platform's parts are made for a test."""

    fake: Callable[[], Fake]
    connector: Callable[[Fake, Outbound, Now], Connector]
    publisher: Callable[[Fake, Outbound, Now], Publisher]


CREDENTIALS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
KITS = {
    "twitter": Kit(
        fake=FakeTwitter,
        connector=lambda fake, outbound, now: TwitterConnector(outbound, **CREDENTIALS, base_url=fake.url, now=now),
        publisher=lambda fake, outbound, now: TwitterPublisher(outbound, base_url=fake.url, now=now),
    ),
    "linkedin": Kit(
        fake=FakeLinkedIn,
        connector=lambda fake, outbound, now: LinkedInConnector(
            outbound, **CREDENTIALS, oauth_url=f"{fake.url}/oauth/v2", base_url=fake.url, now=now
        ),
        publisher=lambda fake, outbound, now: LinkedInPublisher(
            outbound, api_version=VERSION, base_url=fake.url, now=now
        ),
    ),
    "facebook": Kit(
        fake=FakeFacebook,
        connector=lambda fake, outbound, now: FacebookConnector(
            outbound, **CREDENTIALS, api_version="v26.0", base_url=fake.url, now=now
        ),
        publisher=lambda fake, outbound, now: FacebookPublisher(
            outbound, api_version="v26.0", base_url=fake.url, now=now
        ),
    ),
    "threads": Kit(
        fake=FakeThreads,
        connector=lambda fake, outbound, now: ThreadsConnector(outbound, **CREDENTIALS, base_url=fake.url, now=now),
        publisher=lambda fake, outbound, now: ThreadsPublisher(outbound, base_url=fake.url, now=now),
    ),
}


@asynccontextmanager
async def serving(platform: str, now: Now | None = None) -> AsyncIterator[tuple[Fake, Connector, Impatient]]:
    """A fake of this platform and a connector for it; nothing may contradict the description of its API."""
    kit, outbound = KITS[platform], Impatient(OutboundClient(ssl_context=NO_TLS))
    fake = kit.fake()
    try:
        async with fake.serving():
            yield fake, kit.connector(fake, outbound, now or Clock()), outbound
    finally:
        await outbound.close()


@asynccontextmanager
async def opened(platform: str, now: Now | None = None) -> AsyncIterator[Case]:
    """A connected account on this platform; without `now` the case has a clock of its own."""
    clock = Clock()
    now = now or clock
    async with serving(platform, now) as (fake, connector, outbound):
        (connection,) = await connect(fake, connector)
        yield Case(
            fake=fake,
            outbound=outbound,
            connector=connector,
            publisher=KITS[platform].publisher(fake, outbound, now),
            connection=connection,
            account=account_of(connection, platform),
            tokens=connection.tokens,
            draft=new_draft(),
            clock=clock,
        )


def within(at: datetime | None, seconds: float, of: timedelta) -> bool:
    """Whether a time is this far from now, give or take some seconds."""
    return at is not None and abs((at - datetime.now(UTC) - of).total_seconds()) < seconds
