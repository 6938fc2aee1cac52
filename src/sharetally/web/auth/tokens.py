"""JSON Web Tokens (RFC 7519): which ones are accepted, and whom they name.

A token is accepted if its signature is valid, it has an `exp` and the configured `iss` and `aud`, and it names a user.
A verified token is cached by its hash for five minutes at most, and never beyond its `exp`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, MissingClaimError

from sharetally.domain.caller import VISITOR, Caller, is_visitor
from sharetally.domain.content import id_fault
from sharetally.domain.errors import Unauthenticated
from sharetally.domain.expiring import ExpiringCache
from sharetally.ports import Clock
from sharetally.web.auth.signatures import KeySource, SharedSecret, SignatureVerifier

MAX_TOKEN = 8192  # bytes
LEEWAY = 30  # seconds by which clocks may differ
MAX_CACHE_SECONDS = 300.0  # after this time a token is verified again, so that a withdrawn key takes effect
CACHE_SIZE = 10_000

TOKEN_SCOPES = frozenset({"shares", "audit", "analytics", "admin"})
DEFAULT_SCOPES = frozenset({"shares"})
VISITOR_SCOPES = frozenset({"visits"})  # the only scopes of a visitor, whatever the token contains
# OpenID Connect Core, 5.4 and 11: these select information about the user; they do not allow anything
_OPENID_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_RESERVED_PREFIXES = ("key:", "erased:", VISITOR)
_CLAIM_FAULTS = {
    "iss": "the token comes from another issuer than the expected one",
    "aud": "the token is for another audience",
    "nbf": "the token is not valid yet",
    "iat": "the token was issued in the future",
}


def user_fault(value: str) -> str | None:
    """Why this cannot be the id of a user, for example because it looks like a server, an erased user or a visitor."""
    if value.startswith(_RESERVED_PREFIXES):
        return f"must not start with {', '.join(_RESERVED_PREFIXES)}"
    return id_fault(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRules:
    """What tokens must contain: `issuer` and `audience` if set; and which claims contain the user and the scopes."""

    issuer: str | None = None
    audience: str | None = None
    user_claim: str = "sub"
    scope_claim: str = "scope"


class TokenVerifier:
    """Turns a token into its caller; `sources` maps every accepted algorithm to its source of keys.

    With `accepts_visitors` a token signed with the shared secret may name a visitor; other keys may not.
    """

    def __init__(
        self, *, sources: Mapping[str, KeySource], rules: TokenRules, clock: Clock, accepts_visitors: bool = False
    ) -> None:
        self._signature_verifier = SignatureVerifier(sources)
        self._accepts_visitors = accepts_visitors
        self._rules = rules
        self._clock = clock
        self._cache: ExpiringCache[bytes, Caller] = ExpiringCache(capacity=CACHE_SIZE, now=self._now)

    async def verify(self, token: str) -> Caller:
        """The caller; `Unauthenticated` for an invalid token, `Unavailable` if its key cannot be fetched."""
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(f"the token is longer than {MAX_TOKEN} bytes")
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None:
            return cached
        claims, source = await self._signature_verifier.verify(token)
        options: dict[str, jwt.ClaimsOption] = {"exp": {"essential": True}}
        if self._rules.issuer:
            options["iss"] = {"essential": True, "value": self._rules.issuer}
        if self._rules.audience:
            options["aud"] = {"essential": True, "value": self._rules.audience}
        try:
            jwt.JWTClaimsRegistry(now=int(self._now()), leeway=LEEWAY, **options).validate(claims)
        except ExpiredTokenError:
            raise Unauthenticated("the token has expired") from None
        except MissingClaimError as error:
            raise Unauthenticated(f"the token lacks the required claim '{error.claim}'") from None
        except ClaimError as error:
            fault = _CLAIM_FAULTS.get(error.claim, f"the token's claim '{error.claim}' is malformed")
            raise Unauthenticated(fault) from None
        except OverflowError:
            raise Unauthenticated("a time in the token is out of range") from None
        expiry = claims["exp"]
        assert isinstance(expiry, int | float)  # `_check_claims` has checked it
        caller = self._caller(claims, signed_here=isinstance(source, SharedSecret))
        self._cache.put(digest, caller, until=min(expiry, self._now() + MAX_CACHE_SECONDS))
        return caller

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _caller(self, claims: dict[str, object], *, signed_here: bool) -> Caller:
        name = self._rules.user_claim
        user = claims.get(name)
        if not isinstance(user, str):
            raise Unauthenticated(f"the token names no user: its claim '{name}' must be a string")
        if signed_here and self._accepts_visitors and is_visitor(user):
            return Caller(user_id=user, actor=user, scopes=VISITOR_SCOPES)
        if error := user_fault(user):
            raise Unauthenticated(f"the token names no user: its claim '{name}' {error}")
        return Caller(user_id=user, actor=user, scopes=_parse_scopes(claims.get(self._rules.scope_claim)))


def _parse_scopes(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        claim = claim.split()
    if claim is None:
        claim = []
    if not isinstance(claim, list) or not all(isinstance(scope, str) for scope in claim):
        raise Unauthenticated("the token's scopes are neither a string nor a list of strings")
    named = frozenset(claim) - _OPENID_SCOPES
    return named & TOKEN_SCOPES if named else DEFAULT_SCOPES
