"""A user of a real Bluesky server, an account that is connected by one of the two ways, and a post."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import token_hex, token_urlsafe
from typing import Any

from joserfc.jwk import ECKey

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.platforms._oauth import utc_now
from sharetally.adapters.platforms.bluesky.client import BlueskyPublisher
from sharetally.adapters.platforms.bluesky.connect import BlueskyConnector
from sharetally.domain.account import Account, Tokens
from sharetally.domain.ids import new_id
from sharetally.domain.post import Draft, LookOutcome, PublishOutcome
from sharetally.ports.posting_platform import Authorization, Connection
from sharetally.ports.server_names import ServerNames
from tests.fakes.oauth import challenge_of
from tests.platforms.cases import NO_TLS, Impatient, account_of, new_draft
from tests.platforms.pds.agreement import agree
from tests.platforms.pds.server import LOCAL_CLIENT, PUBLIC_CLIENT, PersonalDataServer, User


@dataclass(kw_only=True)
class Site:
    """A server with a user, and the parts of the service for it."""

    pds: PersonalDataServer
    user: User
    outbound: Impatient
    public_url: str = LOCAL_CLIENT
    client_keys: Sequence[Mapping[str, str]] = ()
    now: Callable[[], datetime] = field(default=utc_now)
    verifier: str = ""  # of the newest sign-in; the server accepts none a second time

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url}/oauth/bluesky/callback"

    @property
    def connector(self) -> BlueskyConnector:
        return BlueskyConnector(
            self.outbound,
            public_url=self.public_url,
            client_keys=self.client_keys,
            server=self.pds.url,
            plc_directory=self.pds.directory,
            names=ServerNames(exceptions=frozenset({self.pds.url})),
            now=self.now,
        )

    async def authorize(self, server: str | None = None) -> Authorization:
        self.verifier = token_urlsafe(32)
        return await self.connector.authorize(
            state="a-state",
            redirect_uri=self.redirect_uri,
            code_challenge=challenge_of(self.verifier),
            server=self.user.handle if server is None else server,
        )

    async def exchange(
        self, authorization: Authorization, parameters: Mapping[str, str], verifier: str | None = None
    ) -> Connection:
        (connection,) = await self.connector.exchange(
            parameters=parameters,
            redirect_uri=self.redirect_uri,
            code_verifier=verifier or self.verifier,
            private=authorization.private,
        )
        return connection

    async def connect(self, server: str | None = None) -> Connection:
        """The user names an account or a server, signs in there, and agrees."""
        authorization = await self.authorize(server)
        return await self.exchange(authorization, await agree(authorization.url, self.user))

    async def sign_in(self) -> Connection:
        """The user gives an app password."""
        return await self.connector.sign_in(
            identifier=self.user.handle, password=self.user.app_password, server=self.pds.url
        )


@dataclass(kw_only=True)
class Case:
    """A connected account and a post."""

    site: Site
    publisher: BlueskyPublisher
    account: Account
    tokens: Tokens
    draft: Draft

    async def prepare(self) -> Draft:
        found = await self.publisher.prepare(self.account, self.tokens, self.draft)
        assert isinstance(found, Mapping), found
        self.draft = replace(self.draft, prepared=found)
        return self.draft

    async def publish(self, *, repeated: bool = False) -> PublishOutcome:
        return await self.publisher.publish(self.account, self.tokens, replace(self.draft, repeated=repeated))

    async def look(self) -> LookOutcome:
        return await self.publisher.look(self.account, self.tokens, self.draft)

    def texts(self) -> list[str]:
        """The texts of the user's posts."""
        return [each["text"] for each in self.site.pds.records(self.site.user)]


def case_of(site: Site, connection: Connection) -> Case:
    """A post for this connection, from a process that has sent nothing to this server before."""
    return Case(
        site=site,
        publisher=BlueskyPublisher(site.outbound, now=site.now),
        account=account_of(connection, "bluesky"),
        tokens=connection.tokens,
        draft=replace(new_draft(), id=new_id()),
    )


def client_key(key_id: str) -> dict[str, Any]:
    """A key of a confidential client."""
    return {**ECKey.generate_key("P-256").as_dict(private=True), "kid": key_id}


@asynccontextmanager
async def opened_site(pds: PersonalDataServer) -> AsyncIterator[Site]:
    """A new user."""
    outbound = Impatient(OutboundClient(ssl_context=NO_TLS))
    try:
        yield Site(pds=pds, user=await asyncio.to_thread(pds.new_user), outbound=outbound)
    finally:
        await outbound.close()


@asynccontextmanager
async def publishing_documents(site: Site) -> AsyncIterator[None]:
    """Serve what the connector publishes, where the server looks for it, as the web layer does.

    The server keeps documents for ten minutes, so each service has an address of its own.
    """

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().rpartition("/")[2]
        body = json.dumps(site.connector.documents()[name]).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    site.public_url = f"{PUBLIC_CLIENT}/{token_hex(4)}"
    listener = await asyncio.start_server(respond, "127.0.0.1", site.pds.documents_port)
    try:
        yield
    finally:
        listener.close()
