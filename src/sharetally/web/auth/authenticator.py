"""Who stands before an endpoint: by the credential in the headers, else by the console's cookie.

A credential that was sent on purpose comes before a cookie, which browsers send by themselves. For the same reason a
cookie that is worth nothing harms nobody where no credential is needed: it is as if it were not there.
"""

from __future__ import annotations

from starlette.types import Scope

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, Rejected
from sharetally.web.auth.credentials import CREDENTIALS, CredentialAuthenticator, has_credential
from sharetally.web.auth.sessions import Sessions

_CREDENTIAL_HEADERS = CREDENTIALS | {b"cookie"}


class Authenticator:
    """Knows callers by what their requests bring; HTTP and WebSocket alike."""

    def __init__(self, *, credentials: CredentialAuthenticator, sessions: Sessions) -> None:
        self._credentials = credentials
        self._sessions = sessions

    async def authenticate(self, scope: Scope) -> Caller:
        """Who asks; `Unauthenticated` without anything that holds, `Forbidden` for what is not theirs to do."""
        headers = scope["headers"]
        if has_credential(headers) or not self._sessions.has_cookie(scope):
            return await self._credentials.authenticate(headers)
        session = await self._sessions.require(scope)
        if any(name == b"x-user-id" for name, _ in headers):
            raise Forbidden("X-User-Id is for API keys that may act-as; a session already names its user")
        return Caller(user_id=session.user_id, actor=session.user_id, scopes=session.scopes)

    async def authenticate_if_present(self, scope: Scope) -> Caller | None:
        """Who asks, None without a credential; one that was sent on purpose and does not hold is refused here too."""
        for name, _ in scope["headers"]:
            if name in _CREDENTIAL_HEADERS:
                break
        else:
            return None  # as most who read a count
        if has_credential(scope["headers"]):
            return await self._credentials.authenticate(scope["headers"])
        try:
            return await self.authenticate(scope)
        except Rejected:
            return None
