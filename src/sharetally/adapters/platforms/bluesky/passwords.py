"""Sessions that begin with an app password instead of OAuth (docs.bsky.app, com.atproto.server.createSession).

The app password stays with the tokens: if a session is lost, a new one begins without the user. Sessions are limited
for the account as a whole (30 in five minutes), so one begins only if the old one cannot be refreshed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from sharetally.adapters.platforms._api import POST_DEADLINE, decode
from sharetally.adapters.platforms.bluesky.xrpc import ACCOUNT_ERRORS, TOKEN_ERRORS, Xrpc, error_name
from sharetally.domain.account import Tokens
from sharetally.ports.outbound import AddressRefused, Outbound, OutboundError, OutboundResponse
from sharetally.ports.posting_platform import ConnectFailed, GrantLost, PlatformUnavailable

APP_PASSWORD = re.compile(r"[a-z0-9]{4}(-[a-z0-9]{4}){3}")  # an account's main password must never get here
PASSWORD = "app_password"  # noqa: S105, the name of the field in `Tokens.private`


class _Session(msgspec.Struct, frozen=True, kw_only=True):
    did: str
    accessJwt: str  # noqa: N815, the names on the wire
    refreshJwt: str  # noqa: N815

    def __repr__(self) -> str:
        return "_Session(...)"


class _Claims(msgspec.Struct, frozen=True, kw_only=True):
    exp: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordSession:
    """A session and whose it is."""

    did: str
    tokens: Tokens


class PasswordSessions:
    """Begins, renews and ends sessions at the server of an account."""

    def __init__(self, outbound: Outbound, *, now: Callable[[], datetime]) -> None:
        self._xrpc = Xrpc(outbound, now=now)

    async def create(self, server: str, identifier: str, password: str) -> PasswordSession:
        """Begin a session. Raises `ConnectFailed` or `PlatformUnavailable`."""
        body = {"identifier": identifier, "password": password}
        try:
            response = await self._post(server, "com.atproto.server.createSession", None, body)
        except AddressRefused as error:
            raise ConnectFailed(str(error)) from error
        session = decode(response, _Session) if response.status == 200 else None
        if session is not None:
            return PasswordSession(did=session.did, tokens=_tokens(session, password))
        code = error_name(response)
        if code in ACCOUNT_ERRORS:
            raise ConnectFailed(ACCOUNT_ERRORS[code])
        if response.status in {400, 401}:
            raise ConnectFailed(
                "Bluesky does not accept this handle with this app password; check both, and the server"
            )
        raise PlatformUnavailable(f"Bluesky answered {response.status} to a sign-in")

    async def refresh(self, server: str, did: str, tokens: Tokens) -> Tokens:
        """Renew a session, or begin another one. Raises `GrantLost` or `PlatformUnavailable`."""
        password = tokens.private[PASSWORD]
        response = await self._post_with_refresh_token(server, "com.atproto.server.refreshSession", tokens)
        session = decode(response, _Session) if response.status == 200 else None
        if session is not None and session.did == did:
            return _tokens(session, password)
        if not _is_over(response):
            raise PlatformUnavailable(f"Bluesky answered {response.status} to a refresh")
        try:
            created = await self.create(server, did, password)
        except ConnectFailed as error:
            raise GrantLost(str(error)) from None
        return created.tokens

    async def delete(self, server: str, tokens: Tokens) -> None:
        """End a session; one that is over is fine. Raises `PlatformUnavailable`."""
        response = await self._post_with_refresh_token(server, "com.atproto.server.deleteSession", tokens)
        if response.status != 200 and not _is_over(response):
            raise PlatformUnavailable(f"Bluesky answered {response.status} to a sign-out")

    async def _post_with_refresh_token(self, server: str, method: str, tokens: Tokens) -> OutboundResponse:
        try:
            return await self._post(server, method, Tokens(access=tokens.refresh or ""), None)
        except AddressRefused as error:
            raise PlatformUnavailable(str(error)) from error

    async def _post(
        self, server: str, method: str, tokens: Tokens | None, body: dict[str, str] | None
    ) -> OutboundResponse:
        try:
            return await self._xrpc.procedure(server, method, tokens, body, deadline=POST_DEADLINE)
        except AddressRefused:
            raise
        except OutboundError as error:
            raise PlatformUnavailable(f"{server} cannot be reached: {error}") from error


def _is_over(response: OutboundResponse) -> bool:
    known = TOKEN_ERRORS | ACCOUNT_ERRORS.keys()
    return response.status == 401 or (response.status == 400 and error_name(response) in known)


def _tokens(session: _Session, password: str) -> Tokens:
    return Tokens(
        access=session.accessJwt,
        refresh=session.refreshJwt,
        expires_at=_expires_at(session.accessJwt),
        private={PASSWORD: password},
    )


def _expires_at(token: str) -> datetime | None:
    """When an access token of a session expires, which only the token itself says."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
        return datetime.fromtimestamp(claims.exp, UTC)
    except (ValueError, msgspec.DecodeError, OverflowError, OSError):
        return None
