"""Issues tokens that are signed with the configured secret: to users of an application, and to visitors."""

from __future__ import annotations

import secrets
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc import jwt

from sharetally.domain.caller import VISITOR, Caller
from sharetally.domain.errors import Conflict, Forbidden, InvalidRequest
from sharetally.domain.ids import new_id
from sharetally.ports import Clock
from sharetally.web.auth.signatures import SharedSecret
from sharetally.web.auth.tokens import DEFAULT_SCOPES, TOKEN_SCOPES, VISITOR_SCOPES, TokenRules, user_fault

MAX_TTL = 86_400  # seconds
DEFAULT_TTL = 300  # seconds


class TokenSigner:
    """Signs our own tokens, for a `TokenVerifier` with the same secret and rules."""

    def __init__(self, *, secret: SharedSecret, algorithm: str, rules: TokenRules, clock: Clock) -> None:
        self._secret = secret
        self._algorithm = algorithm
        self._rules = rules
        self._clock = clock

    def sign(self, *, user_id: str, scopes: Set[str], ttl: int) -> str:
        """A token for this user, valid for `ttl` seconds; `InvalidRequest` for an invalid user id."""
        if error := user_fault(user_id):
            raise InvalidRequest(("userId", error))
        return self._encode(user_id, scopes, ttl)

    def sign_visitor(self, *, ttl: int) -> str:
        """A token for a new visitor without an account, valid for `ttl` seconds."""
        return self._encode(VISITOR + secrets.token_urlsafe(16), VISITOR_SCOPES, ttl)

    def _encode(self, user_id: str, scopes: Set[str], ttl: int) -> str:
        issued = int(self._clock.now().timestamp())
        claims: dict[str, object] = {"iat": issued, "exp": issued + ttl, "jti": str(new_id())}
        claims |= {"iss": self._rules.issuer} if self._rules.issuer else {}
        claims |= {"aud": self._rules.audience} if self._rules.audience else {}
        claims |= {self._rules.scope_claim: " ".join(sorted(scopes)), self._rules.user_claim: user_id}
        return jwt.encode({"alg": self._algorithm}, claims, self._secret.octets, [self._algorithm])


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedToken:
    """A token for a user, its scopes, and when it expires."""

    token: str
    scopes: frozenset[str]
    expires_at: datetime


class TokenIssuer:
    """Issues tokens for the users of an application; without a `signer` it refuses."""

    def __init__(self, *, signer: TokenSigner | None, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    def issue(self, caller: Caller, *, user_id: str, scope: str | None = None, ttl: int = DEFAULT_TTL) -> IssuedToken:
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
