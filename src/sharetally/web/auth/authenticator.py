"""Finds the caller of a request: by the credential in its headers, otherwise by the console's cookie.

A credential takes precedence, because the client sends it on purpose, while browsers send cookies by themselves. For
the same reason an invalid cookie is ignored where no credential is needed, but an invalid credential is an error.
"""

from __future__ import annotations

from starlette.types import Scope

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, Rejected
from sharetally.web.auth.credentials import CREDENTIALS, CredentialAuthenticator, has_credential
from sharetally.web.auth.sessions import Sessions

_CREDENTIAL_HEADERS = CREDENTIALS | {b"cookie"}


class Authenticator:
    """Authenticates HTTP requests and WebSocket handshakes, by credential or console session."""

    def __init__(self, *, credentials: CredentialAuthenticator, sessions: Sessions) -> None:
        self._credentials = credentials
        self._sessions = sessions

    async def authenticate(self, scope: Scope) -> Caller:
        """The caller; `Unauthenticated` without a valid credential, `Forbidden` if X-User-Id may not be sent."""
        headers = scope["headers"]
        if has_credential(headers) or not self._sessions.has_cookie(scope):
            return await self._credentials.authenticate(headers)
        session = await self._sessions.require(scope)
        if any(name == b"x-user-id" for name, _ in headers):
            raise Forbidden(
                "X-User-Id may only be sent with an API key that has the scope act-as; a session already names its user"
            )
        return Caller(user_id=session.user_id, actor=session.user_id, scopes=session.scopes)

    async def authenticate_if_present(self, scope: Scope) -> Caller | None:
        """The caller, or None without a credential or a valid session; an invalid credential is rejected here too."""
        for name, _ in scope["headers"]:
            if name in _CREDENTIAL_HEADERS:
                break
        else:
            return None  # the fast way for most readers of counts
        if has_credential(scope["headers"]):
            return await self._credentials.authenticate(scope["headers"])
        try:
            return await self.authenticate(scope)
        except Rejected:
            return None
