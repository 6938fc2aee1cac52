"""Turns the credential in the headers of a request into a `Caller`; `authenticator.py` calls it.

A credential is a JSON Web Token or an API key, sent as `Authorization: Bearer …`; a key may be sent in `X-Api-Key`
instead. A key acts as the user `key:<name>`. With the scope `act-as` it may name another user in `X-User-Id`: that user
may share and has the other scopes of the key, and the key remains the actor in the audit.
Anything ambiguous or malformed is rejected. A revoked key stops working within `KEY_TTL` seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sharetally.domain.caller import SCOPES, Caller
from sharetally.domain.content import label_fault
from sharetally.domain.errors import Conflict, Forbidden, InvalidRequest, SharetallyError, Unauthenticated
from sharetally.domain.expiring import ExpiringCache
from sharetally.domain.ids import new_id
from sharetally.ports import ApiKey, Clock, KeyStore
from sharetally.web.auth.tokens import DEFAULT_SCOPES, TOKEN_SCOPES, TokenSigner, TokenVerifier, user_fault

KEY_PREFIX = "stk_"
KEY_TTL = 5.0  # seconds for which a key is used without looking it up again
MAX_KEYS = 10_000  # the most keys that are cached; as many unknown ones are cached too
USE_PRECISION_SECONDS = 60.0  # the precision of the stored time of last use
MAX_TTL = 86_400  # seconds
DEFAULT_TTL = 300  # seconds
_KEY = re.compile(r"stk_[A-Za-z0-9_-]{43}")
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
CREDENTIALS = frozenset({b"authorization", b"x-api-key"})
log = structlog.get_logger("sharetally.keys")

Headers = Collection[tuple[bytes, bytes]]


def key_digest(plain: str) -> bytes:
    """What is stored of a key; a key has 256 random bits, so it needs no slow hash."""
    return hashlib.sha256(plain.encode()).digest()


def new_key(name: str, scopes: Set[str], *, clock: Clock) -> tuple[str, ApiKey]:
    """Create a key: the text to show once, and what to store; `InvalidRequest` for an invalid name or scope."""
    if fault := label_fault(name):
        raise InvalidRequest(("name", fault))
    if not scopes or not scopes <= set(SCOPES):
        raise InvalidRequest(("scopes", f"must be one or more of {', '.join(SCOPES)}"))
    plain = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(id=new_id(), name=name, digest=key_digest(plain), scopes=frozenset(scopes), created_at=clock.now())
    return plain, key


class ApiKeyCache:
    """Looks up keys, and caches both known and unknown ones for `KEY_TTL`, in separate bounded caches."""

    def __init__(self, store: KeyStore, *, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._known: ExpiringCache[bytes, ApiKey] = ExpiringCache(capacity=MAX_KEYS, now=now)
        self._unknown: ExpiringCache[bytes, bool] = ExpiringCache(capacity=MAX_KEYS, now=now)
        self._noted_until: dict[UUID, float] = {}
        self._used: set[UUID] = set()
        self._use_noted = asyncio.Event()

    async def find(self, plain: str) -> ApiKey:
        """The key with this text; `Unauthenticated` if there is none or it was revoked."""
        if not _KEY.fullmatch(plain):
            raise Unauthenticated("the API key is malformed")
        digest = key_digest(plain)
        key = self._known.get(digest)
        if key is None and not self._unknown.get(digest):
            started_at = self._now()  # before the query: the answer may already be old when it arrives
            key = await self._store.by_digest(digest)
            if key is None:
                self._unknown.put(digest, True, until=started_at + KEY_TTL)
            else:
                self._known.put(digest, key, until=started_at + KEY_TTL)
        if key is None:
            raise Unauthenticated("the API key is unknown")
        if key.revoked_at is not None:
            raise Unauthenticated("the API key was revoked")
        self._mark_used(key.id)
        return key

    def _mark_used(self, key_id: UUID) -> None:
        """Mark the key for `run`, which stores its use once per `USE_PRECISION_SECONDS`; no request waits for that."""
        now = self._now()
        if now < self._noted_until.get(key_id, 0.0):
            return
        if len(self._noted_until) >= MAX_KEYS:
            self._noted_until.clear()
        self._noted_until[key_id] = now + USE_PRECISION_SECONDS + 1  # by then the database stores the next use
        self._used.add(key_id)
        self._use_noted.set()

    async def run(self) -> None:
        """Store which keys were used, until cancelled; if the database fails, the next use a minute later is stored."""
        while True:
            await self._use_noted.wait()
            self._use_noted.clear()
            used, self._used = self._used, set()
            try:
                await self._store.record_use(used, at_most_every=USE_PRECISION_SECONDS)
            except SharetallyError:
                continue
            except Exception:
                log.exception("key_use_not_noted")


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedToken:
    """A token for a user, its scopes, and when it expires."""

    token: str
    scopes: frozenset[str]
    expires_at: datetime


class CredentialAuthenticator:
    """Authenticates callers by their credentials, and issues tokens if there is a `signer`."""

    def __init__(self, *, tokens: TokenVerifier, keys: ApiKeyCache, signer: TokenSigner | None, clock: Clock) -> None:
        self._verifier = tokens
        self._keys = keys
        self._signer = signer
        self._clock = clock

    async def authenticate(self, headers: Headers) -> Caller:
        """The caller; `Unauthenticated` without a valid credential, `Forbidden` if it may not name this user."""
        credential, user = _read_headers(headers)
        if credential is None:
            raise Unauthenticated("send a token or an API key as 'Authorization: Bearer …'")
        if _is_api_key(credential):
            return await self._authenticate_key(credential, user)
        caller = await self._verifier.verify(credential)
        if user is not None:
            raise Forbidden(
                "X-User-Id may only be sent with an API key that has the scope act-as; a token names its user"
            )
        return caller

    async def _authenticate_key(self, plain: str, user: str | None) -> Caller:
        key = await self._keys.find(plain)
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

    def issue_token(
        self, caller: Caller, *, user_id: str, scope: str | None = None, ttl: int = DEFAULT_TTL
    ) -> IssuedToken:
        """Issue a short-lived token for one of the caller's users: `scope` separated by spaces, `ttl` in seconds.

        `Forbidden` unless the caller is an API key with `act-as` that has these scopes itself; `InvalidRequest` for a
        malformed value; `Conflict` if this service has no secret to sign with.
        """
        if not caller.may("act-as"):
            raise Forbidden("only an API key with the scope act-as may create tokens for users")
        if not 1 <= ttl <= MAX_TTL:
            raise InvalidRequest(("ttl", f"must be 1 to {MAX_TTL} seconds"))
        scopes = frozenset(scope.split()) if scope is not None else DEFAULT_SCOPES
        if not scopes or not scopes <= TOKEN_SCOPES:
            raise InvalidRequest(("scope", f"must be one or more of {', '.join(sorted(TOKEN_SCOPES))}"))
        if missing := scopes - caller.scopes - DEFAULT_SCOPES:
            raise Forbidden(f"this API key lacks the scope {', '.join(sorted(missing))}")
        if self._signer is None:
            raise Conflict(
                "this service has no secret to sign tokens with; its operator must set JWT_SECRET in "
                "addition to JWKS_URL"
            )
        token = self._signer.sign(user_id=user_id, scopes=scopes, ttl=ttl)
        return IssuedToken(token=token, scopes=scopes, expires_at=self._clock.now() + timedelta(seconds=ttl))


def has_credential(headers: Headers) -> bool:
    """Whether the headers contain a credential, valid or not."""
    for name, _ in headers:  # noqa: SIM110, a generator would be slower, for every request
        if name in CREDENTIALS:
            return True
    return False


def _is_api_key(credential: str) -> bool:
    return credential.startswith(KEY_PREFIX)


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
            if not _is_api_key(key):
                raise Unauthenticated(f"X-Api-Key must start with {KEY_PREFIX}")
            credentials.append(key)
        elif name == b"x-user-id":
            users.append(value)
    if len(credentials) > 1:
        raise Unauthenticated("send only one credential: either a token or an API key")
    if len(users) > 1:
        raise InvalidRequest(("X-User-Id", "must be sent only once"))
    return (credentials[0] if credentials else None), (_parse_user_id(users[0]) if users else None)


def _decode_ascii(value: bytes) -> str:
    try:
        return value.decode("ascii").strip()
    except UnicodeDecodeError:
        raise Unauthenticated("the credential is malformed") from None


def _parse_user_id(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(("X-User-Id", "must be valid UTF-8")) from None
