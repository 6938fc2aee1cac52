"""Who stands before an endpoint: by the credential in the headers, else by the console's cookie.

A credential that was sent on purpose comes before a cookie, which browsers send by themselves. For the same reason a
cookie that is worth nothing harms nobody where no credential is needed: it is as if it were not there.
"""

from __future__ import annotations

from starlette.types import Scope

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, Refused
from sharetally.web.who.identity import CREDENTIALS, Identity, has_credential
from sharetally.web.who.sessions import Sessions

_TELLING = CREDENTIALS | {b"cookie"}


class Callers:
    """Knows callers by what their requests bring; HTTP and WebSocket alike."""

    def __init__(self, *, identity: Identity, sessions: Sessions) -> None:
        self._identity = identity
        self._sessions = sessions

    async def of(self, scope: Scope) -> Caller:
        """Who asks; `Unauthenticated` without anything that holds, `Forbidden` for what is not theirs to do."""
        headers = scope["headers"]
        if has_credential(headers) or not self._sessions.brought(scope):
            return await self._identity.caller(headers)
        session = await self._sessions.of(scope)
        if any(name == b"x-user-id" for name, _ in headers):
            raise Forbidden("X-User-Id is for API keys that may act-as; a session already names its user")
        return Caller(user_id=session.user_id, actor=session.user_id, scopes=session.scopes)

    async def if_any(self, scope: Scope) -> Caller | None:
        """Who asks, None without a credential; one that was sent on purpose and does not hold is refused here too."""
        for name, _ in scope["headers"]:
            if name in _TELLING:
                break
        else:
            return None  # as most who read a count
        if has_credential(scope["headers"]):
            return await self._identity.caller(scope["headers"])
        try:
            return await self.of(scope)
        except Refused:
            return None
