"""JSON Web Tokens: which ones we accept, and how we sign our own; `credentials.py` uses this module.

Each accepted algorithm has exactly one source of keys, so a token can only choose among the configured ones: `none` has
no source, and a public key is never used as a secret. A token is accepted if its signature is valid, it has an `exp`
and the configured `iss` and `aud`, and it names a user. A verified token is cached by its hash for five minutes at
most, and never beyond its `exp`.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol

import msgspec
from joserfc import jws, jwt
from joserfc.errors import (
    ClaimError,
    ExpiredTokenError,
    JoseError,
    MissingClaimError,
    UnsupportedAlgorithmError,
)
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import Key, OctKey

from sharetally.domain.caller import VISITOR, Caller, is_visitor
from sharetally.domain.content import id_fault
from sharetally.domain.errors import ConfigurationError, InvalidRequest, Unauthenticated
from sharetally.domain.expiring import ExpiringCache
from sharetally.domain.ids import new_id
from sharetally.ports import Clock

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


class KeySource(Protocol):
    """The source of the keys of one or several algorithms."""

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        """The key for this token; `Unauthenticated` if there is none, `Unavailable` if the keys cannot be fetched."""
        ...


class SharedSecret:
    """The configured secret, the one key of its algorithm."""

    def __init__(self, secret: str) -> None:
        try:
            self.octets = OctKey.import_key(secret.encode())
        except ValueError:
            raise ConfigurationError(
                "JWT_SECRET: is a public key or a certificate, not a secret; use JWKS_URL for public keys"
            ) from None

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        """The secret, whatever key id the token names."""
        return self.octets


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


class SignatureVerifier:
    """Verifies the signature of tokens; `sources` maps every accepted algorithm to its source of keys."""

    def __init__(self, sources: Mapping[str, KeySource]) -> None:
        self._sources = sources
        self._registry = _AlgorithmRegistry(algorithms=sorted(sources), strict_check_header=False)

    async def verify(self, token: str) -> tuple[dict[str, object], KeySource]:
        """The claims of a token and the source of its key; audience and expiry are not checked here."""
        header = _decode_header(token)
        source = self._sources.get(header.alg)
        if source is None:
            raise Unauthenticated(f"the token's algorithm is not one of {', '.join(sorted(self._sources))}")
        key = await source.key(algorithm=header.alg, kid=header.kid)
        try:
            signed = jws.deserialize_compact(token, key, registry=self._registry)
        except (JoseError, ValueError):
            raise Unauthenticated("the token's signature is not valid") from None
        try:
            return msgspec.json.decode(signed.payload, type=dict[str, object]), source
        except (ValueError, RecursionError):
            raise Unauthenticated("the token contains no claims") from None


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
        self._check_claims(claims)
        expiry = claims["exp"]
        assert isinstance(expiry, int | float)  # `_check_claims` has checked it
        caller = self._caller(claims, signed_here=isinstance(source, SharedSecret))
        self._cache.put(digest, caller, until=min(expiry, self._now() + MAX_CACHE_SECONDS))
        return caller

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _check_claims(self, claims: dict[str, object]) -> None:
        options: dict[str, jwt.ClaimsOption] = {"exp": {"essential": True}}
        if self._rules.issuer:
            options["iss"] = {"essential": True, "value": self._rules.issuer}
        if self._rules.audience:
            options["aud"] = {"essential": True, "value": self._rules.audience}
        try:
            jwt.JWTClaimsRegistry(now=int(self._now()), leeway=LEEWAY, **options).validate(claims)
        except (ClaimError, OverflowError) as error:
            raise Unauthenticated(_claim_fault(error)) from None

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


class _AlgorithmRegistry(jws.JWSRegistry):
    """The configured algorithms and no others."""

    max_header_length = 2048

    def get_alg(self, name: str) -> JWSAlgModel:
        """The algorithm, without the library's warning about EdDSA, which RFC 9864 renamed."""
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """The only part of a header that is used before the signature is checked: what selects the key."""

    alg: str
    kid: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _decode_header(token: str) -> _Header:
    segment = token.partition(".")[0]
    try:
        header = msgspec.json.decode(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=_Header)
    except (ValueError, RecursionError):
        raise Unauthenticated("the credential is not a JSON Web Token") from None
    if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
        raise Unauthenticated("the token requires extensions that are not supported")
    return header


def _claim_fault(error: Exception) -> str:
    match error:
        case ExpiredTokenError():
            return "the token has expired"
        case MissingClaimError():
            return f"the token lacks the required claim '{error.claim}'"
        case ClaimError():
            return _CLAIM_FAULTS.get(error.claim, f"the token's claim '{error.claim}' is malformed")
    return "a time in the token is out of range"


_CLAIM_FAULTS = {
    "iss": "the token comes from another issuer than the expected one",
    "aud": "the token is for another audience",
    "nbf": "the token is not valid yet",
    "iat": "the token was issued in the future",
}


def _parse_scopes(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        claim = claim.split()
    if claim is None:
        claim = []
    if not isinstance(claim, list) or not all(isinstance(scope, str) for scope in claim):
        raise Unauthenticated("the token's scopes are neither a string nor a list of strings")
    named = frozenset(claim) - _OPENID_SCOPES
    return named & TOKEN_SCOPES if named else DEFAULT_SCOPES
