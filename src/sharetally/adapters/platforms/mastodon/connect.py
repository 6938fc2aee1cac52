"""How a user connects an account on a Mastodon server (docs.joinmastodon.org, OAuth).

This service registers itself with the server that the user names, anew for each connection, so that nothing has to be
kept about servers; the registration stays with the tokens. Tokens do not expire by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode, urlsplit

import msgspec

from sharetally.adapters.platforms._api import bearer, decode, is_ambiguous, quoted
from sharetally.adapters.platforms._oauth import (
    FORM,
    ClientAuthentication,
    CodeFlow,
    TokenResponse,
    read_tokens,
    utc_now,
)
from sharetally.domain.account import Account, Profile, Tokens
from sharetally.ports.outbound import AddressRefused, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import (
    Authorization,
    ConnectFailed,
    Connection,
    Connector,
    GrantLost,
    PlatformUnavailable,
)
from sharetally.ports.server_names import ServerNames

SCOPE = "read:accounts write:statuses read:statuses"
SERVER, CLIENT_ID, CLIENT_SECRET = "server", "client_id", "client_secret"


class _Application(msgspec.Struct, frozen=True, kw_only=True):
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return "_Application(...)"


class _Account(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    username: str


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    error: str = ""


class MastodonConnector(Connector):
    """Connects accounts; `client_name` and `website` are what the server shows to the user."""

    platform = "mastodon"

    def __init__(
        self,
        outbound: Outbound,
        *,
        client_name: str = "Sharetally",
        website: str | None = None,
        names: ServerNames | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._client_name = client_name
        self._website = website
        self._names = names or ServerNames()
        self._now = now

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin: register with the server, and send the user there."""
        base = self._names.base_url(server)
        form = {"client_name": self._client_name, "redirect_uris": redirect_uri, "scopes": SCOPE}
        if self._website is not None:
            form["website"] = self._website
        response = await self._post(f"{base}/api/v1/apps", form)
        application = decode(response, _Application) if response.status == 200 else None
        if application is None:
            raise self._not_registered(base, response)
        private = {SERVER: base, CLIENT_ID: application.client_id, CLIENT_SECRET: application.client_secret}
        url = self._flow(private).authorization_url(
            state=state, redirect_uri=redirect_uri, code_challenge=code_challenge
        )
        return Authorization(url=url, private=private)

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish, with the profile of the user who agreed."""
        now, base = self._now(), private[SERVER]
        response = await self._flow(private).exchange(
            parameters, redirect_uri=redirect_uri, code_verifier=code_verifier
        )
        tokens = _with_private(read_tokens(response, "Mastodon").tokens(now), private)
        answer = await self._verify(base, tokens)
        account = decode(answer, _Account) if answer.status == 200 else None
        if account is None:
            raise PlatformUnavailable(f"{base} answered {answer.status} to the question whose account this is")
        handle = f"@{account.username}@{urlsplit(base).netloc}"
        return [Connection(profile=Profile(external_id=account.id, handle=handle, server=base), tokens=tokens)]

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """New tokens where the server gives refresh tokens; otherwise the same ones, if they are still good."""
        if tokens.refresh is not None:
            now = self._now()
            response = await self._flow(tokens.private).refresh(tokens.refresh)
            received: TokenResponse = read_tokens(response, "Mastodon")
            return _with_private(received.tokens(now, refresh=tokens.refresh), tokens.private)
        answer = await self._verify(account.server, tokens)
        if answer.status == 401:
            raise GrantLost("the Mastodon server does not accept the access token any more")
        if answer.status != 200:
            raise PlatformUnavailable(f"{account.server} answered {answer.status}")
        return tokens

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """Give the token back; one that is already gone is fine."""
        form = {name: tokens.private[name] for name in (CLIENT_ID, CLIENT_SECRET)} | {"token": tokens.access}
        try:
            response = await self._post(f"{account.server}/oauth/revoke", form)
        except ConnectFailed as error:
            raise PlatformUnavailable(str(error)) from None
        if response.status == 429 or is_ambiguous(response):
            raise PlatformUnavailable(f"{account.server} answered {response.status} to the revocation")

    def _flow(self, private: Mapping[str, str]) -> CodeFlow:
        base = private[SERVER]
        return CodeFlow(
            label=f"Mastodon ({urlsplit(base).netloc})",
            outbound=self._outbound,
            authorize_url=f"{base}/oauth/authorize",
            token_url=f"{base}/oauth/token",
            client_id=private[CLIENT_ID],
            client_secret=private[CLIENT_SECRET],
            scope=SCOPE,
            authentication=ClientAuthentication.BODY,
            pkce=True,
        )

    async def _verify(self, base: str, tokens: Tokens) -> OutboundResponse:
        try:
            return await self._outbound.request(
                "GET", f"{base}/api/v1/accounts/verify_credentials", headers=bearer(tokens)
            )
        except OutboundError as error:
            raise PlatformUnavailable(f"{base} cannot be reached: {error}") from error

    async def _post(self, url: str, form: Mapping[str, str]) -> OutboundResponse:
        try:
            return await self._outbound.request("POST", url, headers=FORM, body=urlencode(form).encode())
        except AddressRefused as error:
            raise ConnectFailed(str(error)) from error
        except OutboundError as error:
            raise PlatformUnavailable(f"{urlsplit(url).netloc} cannot be reached: {error}") from error

    def _not_registered(self, base: str, response: OutboundResponse) -> ConnectFailed | PlatformUnavailable:
        if response.status == 429 or is_ambiguous(response):
            return PlatformUnavailable(f"{base} answered {response.status}")
        reason = quoted((decode(response, _Error) or _Error()).error) or f"status {response.status}"
        return ConnectFailed(f"{base} does not let this service register ({reason}); check whether it is Mastodon")


def _with_private(tokens: Tokens, private: Mapping[str, str]) -> Tokens:
    return Tokens(access=tokens.access, refresh=tokens.refresh, expires_at=tokens.expires_at, private=dict(private))
