"""Finds the caller of a request: by the credential in its headers, otherwise by the console's cookie.

A credential is a JSON Web Token or an API key, sent as `Authorization: Bearer …`; a key may be sent in `X-Api-Key`
instead. A key acts as the user `key:<name>`. With the scope `act-as` it may name another user in `X-User-Id`: that user
may share and has the other scopes of the key, and the key remains the actor in the audit. Anything ambiguous or
malformed is rejected.

A credential takes precedence over a cookie, because the client sends it on purpose, while browsers send cookies by
themselves. For the same reason an invalid cookie is ignored where no credential is needed, but an invalid credential is
an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.types import Scope

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Forbidden, InvalidRequest, Rejected, Unauthenticated
from sharetally.web.auth.api_keys import KEY_PREFIX, ApiKeyCache
from sharetally.web.auth.sessions import Sessions
from sharetally.web.auth.tokens import DEFAULT_SCOPES, TokenVerifier, user_fault

CREDENTIALS = frozenset({b"authorization", b"x-api-key"})
_CREDENTIAL_HEADERS = CREDENTIALS | {b"cookie"}
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)

Headers = Collection[tuple[bytes, bytes]]


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


class CredentialAuthenticator:
    """Authenticates callers by their credentials."""

    def __init__(self, *, tokens: TokenVerifier, keys: ApiKeyCache) -> None:
        self._verifier = tokens
        self._keys = keys

    async def authenticate(self, headers: Headers) -> Caller:
        """The caller; `Unauthenticated` without a valid credential, `Forbidden` if it may not name this user."""
        credential, user = _read_headers(headers)
        if credential is None:
            raise Unauthenticated("send a token or an API key as 'Authorization: Bearer …'")
        if credential.startswith(KEY_PREFIX):
            key = await self._keys.find(credential)
            actor = f"key:{key.name}"
            if user is None:
                return Caller(user_id=actor, actor=actor, scopes=key.scopes)
            if "act-as" not in key.scopes:
                raise Forbidden("X-User-Id needs an API key with the scope act-as; this key does not have it")
            if not user:
                raise Unauthenticated("X-User-Id is empty")
            if fault := user_fault(user):
                raise InvalidRequest(("X-User-Id", fault))
            return Caller(user_id=user, actor=actor, scopes=key.scopes | DEFAULT_SCOPES)
        caller = await self._verifier.verify(credential)
        if user is not None:
            raise Forbidden(
                "X-User-Id may only be sent with an API key that has the scope act-as; a token names its user"
            )
        return caller


def has_credential(headers: Headers) -> bool:
    """Whether the headers contain a credential, valid or not."""
    for name, _ in headers:  # noqa: SIM110, a generator would be slower, for every request
        if name in CREDENTIALS:
            return True
    return False


def _read_headers(headers: Headers) -> tuple[str | None, str | None]:
    """The only credential, and the user of X-User-Id."""
    credentials: list[str] = []
    users: list[bytes] = []
    for name, value in headers:
        if name == b"authorization":
            match = _BEARER.fullmatch(_decode_ascii(value))
            if not match:
                raise Unauthenticated("the Authorization header must be 'Bearer …'")
            credentials.append(match[1])
        elif name == b"x-api-key":
            key = _decode_ascii(value)
            if not key.startswith(KEY_PREFIX):
                raise Unauthenticated(f"X-Api-Key must start with {KEY_PREFIX}")
            credentials.append(key)
        elif name == b"x-user-id":
            users.append(value)
    if len(credentials) > 1:
        raise Unauthenticated("send only one credential: either a token or an API key")
    if len(users) > 1:
        raise InvalidRequest(("X-User-Id", "must be sent only once"))
    try:
        user = users[0].decode() if users else None
    except UnicodeDecodeError:
        raise InvalidRequest(("X-User-Id", "must be valid UTF-8")) from None
    return (credentials[0] if credentials else None), user


def _decode_ascii(value: bytes) -> str:
    try:
        return value.decode("ascii").strip()
    except UnicodeDecodeError:
        raise Unauthenticated("the credential is malformed") from None
