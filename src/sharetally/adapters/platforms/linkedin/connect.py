"""How a user connects a LinkedIn account: OAuth 2, and OpenID Connect for whose account it is.

The access token is valid for 60 days. Only partners that LinkedIn has approved get refresh tokens; without one, only
the user can renew the permission. LinkedIn verifies no PKCE in this flow and offers no revocation.
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

SCOPE = "openid profile w_member_social"


class _UserInfo(msgspec.Struct, frozen=True, kw_only=True):
    sub: str
    name: str = ""


class LinkedInConnector(Connector):
    """Connects members' accounts."""

    platform = "linkedin"

    def __init__(
        self,
        outbound: Outbound,
        *,
        client_id: str,
        client_secret: str,
        oauth_url: str = "https://www.linkedin.com/oauth/v2",
        base_url: str = "https://api.linkedin.com",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._base_url = base_url
        self._now = now
        self._flow = CodeFlow(
            label="LinkedIn",
            outbound=outbound,
            authorize_url=f"{oauth_url}/authorization",
            token_url=f"{oauth_url}/accessToken",
            client_id=client_id,
            client_secret=client_secret,
            scope=SCOPE,
            authentication=ClientAuthentication.BODY,
            pkce=False,
        )

    async def authorize(self, *, state: str, redirect_uri: str, code_challenge: str, server: str) -> Authorization:
        """Begin; LinkedIn has one server, and nothing has to be kept."""
        url = self._flow.authorization_url(state=state, redirect_uri=redirect_uri, code_challenge=code_challenge)
        return Authorization(url=url, private={})

    async def exchange(
        self, *, parameters: Mapping[str, str], redirect_uri: str, code_verifier: str, private: Mapping[str, str]
    ) -> Sequence[Connection]:
        """Finish, with the profile of the member who agreed."""
        now = self._now()
        response = await self._flow.exchange(parameters, redirect_uri=redirect_uri, code_verifier=code_verifier)
        tokens = read_tokens(response, "LinkedIn").tokens(now)
        return [Connection(profile=await self._profile(tokens), tokens=tokens)]

    async def refresh(self, account: Account, tokens: Tokens) -> Tokens:
        """New tokens, if LinkedIn gave a refresh token."""
        if tokens.refresh is None:
            raise GrantLost("LinkedIn gives this service no refresh tokens")
        now = self._now()
        response = await self._flow.refresh(tokens.refresh)
        return read_tokens(response, "LinkedIn").tokens(now, refresh=tokens.refresh)

    async def revoke(self, account: Account, tokens: Tokens) -> None:
        """Nothing: LinkedIn has no endpoint for it; the member can remove the service in LinkedIn's settings."""

    async def _profile(self, tokens: Tokens) -> Profile:
        try:
            response = await self._outbound.request("GET", f"{self._base_url}/v2/userinfo", headers=bearer(tokens))
        except OutboundError as error:
            raise PlatformUnavailable(f"LinkedIn cannot be reached: {error}") from error
        user = decode(response, _UserInfo) if response.status == 200 else None
        if user is None:
            raise PlatformUnavailable(f"LinkedIn answered {response.status} to the question whose account this is")
        return Profile(external_id=user.sub, handle=user.name or user.sub)
