"""How a user connects a Threads account (developers.facebook.com, Threads API, long-lived tokens).

The code gives a token for an hour, which is exchanged at once for one of 60 days. That one is renewed by itself, from
24 hours old until it expires, so it is its own refresh token. The Threads API offers no revocation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from sharetally.adapters.platforms._api import decode
from sharetally.adapters.platforms._graph import classify, graph_request, oauth_error
from sharetally.adapters.platforms._oauth import ClientAuthentication, CodeFlow, read_tokens, utc_now
from sharetally.domain.account import Account, Profile, Tokens
from sharetally.domain.post import AccessDenied
from sharetally.ports.outbound import DEADLINE, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import (
    Authorization,
    ConnectFailed,
    Connection,
    Connector,
    GrantLost,
    PlatformUnavailable,
)

SCOPE = "threads_basic,threads_content_publish,threads_delete"
YOUNGEST = timedelta(hours=24)  # a token that may be renewed
ISSUED_AT = "issued_at"  # in `Tokens.private`


class _Me(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    username: str = ""


class ThreadsConnector(Connector):
    """Connects accounts through the app that is registered at Meta."""

    platform = "threads"

    def __init__(
        self,
        outbound: Outbound,
        *,
        client_id: str,
        client_secret: str,
        authorize_url: str = "https://threads.net/oauth/authorize",
        base_url: str = "https://graph.threads.net",
        api_version: str = "v1.0",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._client_secret = client_secret
        self._base_url = base_url
        self._api_version = api_version
        self._now = now
        self._flow = CodeFlow(
            label="Threads",
            outbound=outbound,
            authorize_url=authorize_url,
            token_url=f"{base_url}/oauth/access_token",
            client_id=client_id,
            client_secret=client_secret,
            scope=SCOPE,
            authentication=ClientAuthentication.BODY,
            pkce=False,
            read_error=oauth_error,
        )

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin; Threads has one server, and nothing has to be kept."""
        url = self._flow.authorization_url(state=state, redirect_uri=redirect_uri, code_challenge=code_challenge)
        return Authorization(url=url, private={})

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish, with a long-lived token and the profile of the user who agreed."""
        response = await self._flow.exchange(parameters, redirect_uri=redirect_uri, code_verifier=code_verifier)
        short_lived = read_tokens(response, "Threads").access_token
        try:
            tokens = await self._long_lived(
                "/access_token",
                grant_type="th_exchange_token",
                client_secret=self._client_secret,
                access_token=short_lived,
            )
            me = decode(await self._me(tokens), _Me)
        except GrantLost as error:
            raise ConnectFailed(str(error)) from None
        if me is None:
            raise PlatformUnavailable("Threads answered without a profile")
        return [Connection(profile=Profile(external_id=me.id, handle=me.username or me.id), tokens=tokens)]

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """Renew the token; one that is too young for it is only checked, and returned as it is."""
        issued_at = tokens.private.get(ISSUED_AT)
        if issued_at and self._now() - datetime.fromisoformat(issued_at) < YOUNGEST:
            await self._me(tokens)
            return tokens
        return await self._long_lived(
            "/refresh_access_token", grant_type="th_refresh_token", access_token=tokens.access
        )

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """Nothing: Threads has no endpoint for it; the user can remove the service in the settings of Threads."""

    async def _long_lived(self, path: str, **parameters: str) -> Tokens:
        """The documentation puts the secrets of these two calls into the query, and knows no other way."""
        now = self._now()
        try:
            response = await self._outbound.request("GET", f"{self._base_url}{path}?{urlencode(parameters)}")
        except OutboundError as error:
            raise PlatformUnavailable(f"Threads cannot be reached: {error}") from error
        tokens = read_tokens(self._checked(response), "Threads").tokens(now)
        return replace(tokens, refresh=tokens.access, private={ISSUED_AT: now.isoformat()})

    async def _me(self, tokens: Tokens) -> OutboundResponse:
        url = f"{self._base_url}/{self._api_version}/me"
        try:
            response = await graph_request(self._outbound, "GET", url, tokens, deadline=DEADLINE, fields="id,username")
        except OutboundError as error:
            raise PlatformUnavailable(f"Threads cannot be reached: {error}") from error
        return self._checked(response)

    def _checked(self, response: OutboundResponse) -> OutboundResponse:
        if response.status == 200:
            return response
        failure = classify(response, "Threads", self._now())
        if isinstance(failure, AccessDenied):
            raise GrantLost(failure.reason)
        raise PlatformUnavailable(f"Threads answered {response.status}")
