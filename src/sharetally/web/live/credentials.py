"""The credential of a live client, from the headers of its handshake or from a token that it sent later.

It is checked again every few seconds, so that an ended session or a revoked key closes the connection within ten
seconds, as it does for HTTP requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Scope

from sharetally.domain.caller import Caller, is_visitor
from sharetally.domain.errors import Forbidden, Unauthenticated
from sharetally.flow.live import Live
from sharetally.web.auth.authenticator import Authenticator

TOKEN_SECONDS = 10.0  # for the client to send its token, if counts are not public
CHECK_SECONDS = 5.0  # between two checks whether the credential is still valid


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveCounts:
    """Live counts, and who may follow them: everybody if they are `public`, from our pages or those of CORS_ORIGINS."""

    live: Live
    authenticator: Authenticator
    public: bool
    cors_origins: Sequence[str]
    public_url: str | None


class LiveCredentials:
    """The credential of one connection."""

    def __init__(self, counts: LiveCounts, scope: Scope) -> None:
        self._authenticator = counts.authenticator
        self._public = counts.public
        self._scope = scope
        self._caller: Caller | None = None
        self._check_at = 0.0

    @property
    def check_at(self) -> float | None:
        """The loop's time of the next check; None for a client that needs no credential and has none."""
        return None if self._public and self._caller is None else self._check_at

    async def check(self) -> None:
        """Raise an error unless the credential is valid; a client that needs one has ten seconds to send it."""
        now = asyncio.get_running_loop().time()
        before, self._caller = self._caller, await self._authenticator.authenticate_if_present(self._scope)
        if self._caller is None and before is not None:
            raise Unauthenticated("the session has ended")
        if self._caller is None and not self._public and self._check_at > 0.0:
            raise Unauthenticated('send {"token": "…"} first')
        self._check_at = now + (TOKEN_SECONDS if self._caller is None else CHECK_SECONDS)

    async def use_token(self, token: str) -> None:
        """Authenticate with this token from now on."""
        try:
            scope = {**self._scope, "headers": [(b"authorization", b"Bearer " + token.encode("ascii"))]}
        except UnicodeEncodeError:
            raise Unauthenticated("the credential is malformed") from None
        self._caller = await self._authenticator.authenticate(scope)
        self._scope = scope
        self._check_at = asyncio.get_running_loop().time() + CHECK_SECONDS

    def require(self, scope: str | None = None) -> None:
        """`Unauthenticated` or `Forbidden` unless the client may follow counts, or whatever needs this scope."""
        if self._caller is None and (scope is not None or not self._public):
            raise Unauthenticated('this needs a token; send {"token": "…"} first')
        if self._caller is not None and not self._public and is_visitor(self._caller.user_id):
            raise Forbidden("visitors without an account may share, but not follow counts")
        if scope is not None and self._caller is not None and not self._caller.may(scope):
            raise Forbidden(f"this needs the scope {scope}")
