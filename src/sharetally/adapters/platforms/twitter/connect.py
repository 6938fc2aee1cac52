"""How a user connects an account on X: OAuth 2 with PKCE (docs.x.com, OAuth 2.0 authorization code flow).

The code is valid for 30 seconds, the access token for two hours. X issues a refresh token only for `offline.access`; it
is used once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from sharetally.adapters.platforms._api import bearer, decode
from sharetally.adapters.platforms._oauth import ClientAuthentication, CodeFlow, read_tokens, utc_now
from sharetally.domain.account import Account, Profile, Tokens
from sharetally.ports.outbound import Outbound, OutboundError
from sharetally.ports.posting_platform import Authorization, Connection, Connector, GrantLost, PlatformUnavailable

SCOPE = "tweet.read tweet.write users.read offline.access"
# X says this of a refresh token that it no longer knows, where RFC 6749 asks for invalid_grant.
LOST_GRANTS = frozenset({("invalid_request", "Value passed for the token was invalid.")})


class _User(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    username: str


class _Me(msgspec.Struct, frozen=True, kw_only=True):
    data: _User


class TwitterConnector(Connector):
    """Connects accounts through the client that is registered at X; one without a secret is a public client."""

    platform = "twitter"

    def __init__(
        self,
        outbound: Outbound,
        *,
        client_id: str,
        client_secret: str | None,
        authorize_url: str = "https://x.com/i/oauth2/authorize",
        base_url: str = "https://api.x.com",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._base_url = base_url
        self._now = now
        self._flow = CodeFlow(
            label="X",
            outbound=outbound,
            authorize_url=authorize_url,
            token_url=f"{base_url}/2/oauth2/token",
            revoke_url=f"{base_url}/2/oauth2/revoke",
            client_id=client_id,
            client_secret=client_secret,
            scope=SCOPE,
            authentication=ClientAuthentication.BASIC,
            pkce=True,
            lost_grants=LOST_GRANTS,
        )

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin; X has one server, and nothing has to be kept."""
        url = self._flow.authorization_url(state=state, redirect_uri=redirect_uri, code_challenge=code_challenge)
        return Authorization(url=url, private={})

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish, with the profile of the user who agreed."""
        now = self._now()
        response = await self._flow.exchange(parameters, redirect_uri=redirect_uri, code_verifier=code_verifier)
        tokens = read_tokens(response, "X").tokens(now)
        return [Connection(profile=await self._profile(tokens), tokens=tokens)]

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """New tokens; the refresh token changes with them."""
        if tokens.refresh is None:
            raise GrantLost("X gave no refresh token")
        now = self._now()
        response = await self._flow.refresh(tokens.refresh)
        return read_tokens(response, "X").tokens(now, refresh=tokens.refresh)

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """Give back the refresh token, and with it every access token of this grant."""
        hint = "access_token" if tokens.refresh is None else "refresh_token"
        await self._flow.revoke(tokens.refresh or tokens.access, hint=hint)

    async def _profile(self, tokens: Tokens) -> Profile:
        try:
            response = await self._outbound.request("GET", f"{self._base_url}/2/users/me", headers=bearer(tokens))
        except OutboundError as error:
            raise PlatformUnavailable(f"X cannot be reached: {error}") from error
        me = decode(response, _Me) if response.status == 200 else None
        if me is None:
            raise PlatformUnavailable(f"X answered {response.status} to the question whose account this is")
        return Profile(external_id=me.data.id, handle=me.data.username)
