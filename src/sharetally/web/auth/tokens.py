"""JSON Web Tokens: what makes one ours to believe, and how we sign our own.

Stands under `credentials.py`. Each accepted algorithm has exactly one source of keys, so a token can only
choose among what was configured: `none` has no source, and a public key never serves as a secret. A token
has a signature that holds, an `exp`, the configured `iss` and `aud`, and names a user. What was verified
is remembered by its hash for five minutes at most and never beyond its `exp`.
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
LEEWAY = 30  # seconds that clocks may disagree
MAX_CACHE_SECONDS = 300.0  # seconds that a verified token is believed unseen, so that a withdrawn key takes effect
CACHE_SIZE = 10_000

TOKEN_SCOPES = frozenset({"shares", "audit", "analytics", "admin"})
DEFAULT_SCOPES = frozenset({"shares"})
VISITOR_SCOPES = frozenset({"visits"})  # all that a visitor may, whatever their token says
# OpenID Connect Core, 5.4 and 11: these say what a token tells about its user, not what the user may do
_OPENID_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_RESERVED_PREFIXES = ("key:", "erased:", VISITOR)


def user_fault(value: str) -> str | None:
    """Why this cannot be a user's id: it would pass for a server, a forgotten user or a visitor."""
    if value.startswith(_RESERVED_PREFIXES):
        return f"must not start with {', '.join(_RESERVED_PREFIXES)}"
    return id_fault(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRules:
    """What tokens must say: `issuer` and `audience` where set, and which claims name user and scopes."""

    issuer: str | None = None
    audience: str | None = None
    user_claim: str = "sub"
    scope_claim: str = "scope"


class KeySource(Protocol):
    """Where the keys of one or several algorithms come from."""

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        """The key for this token; `Unauthenticated` if there is none, `Unavailable` if nobody can tell."""
        ...


class SharedSecret:
    """The configured secret, the one key of its algorithm."""

    def __init__(self, secret: str) -> None:
        try:
            self.octets = OctKey.import_key(secret.encode())
        except ValueError:
            raise ConfigurationError("JWT_SECRET: is a public key or certificate; use JWKS_URL") from None

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        """The secret, whatever the token calls it."""
        return self.octets


class TokenSigner:
    """Signs our own tokens; they pass the `TokenVerifier` that has the same secret and rules."""

    def __init__(self, *, secret: SharedSecret, algorithm: str, rules: TokenRules, clock: Clock) -> None:
        self._secret = secret
        self._algorithm = algorithm
        self._rules = rules
        self._clock = clock

    def sign(self, *, user_id: str, scopes: Set[str], ttl: int) -> str:
        """A token for this user, good for `ttl` seconds; `InvalidRequest` if the user's id is none."""
        if error := user_fault(user_id):
            raise InvalidRequest(("userId", error))
        return self._encode(user_id, scopes, ttl)

    def sign_visitor(self, *, ttl: int) -> str:
        """A token for somebody new without an account, good for `ttl` seconds."""
        return self._encode(VISITOR + secrets.token_urlsafe(16), VISITOR_SCOPES, ttl)

    def _encode(self, user_id: str, scopes: Set[str], ttl: int) -> str:
        issued = int(self._clock.now().timestamp())
        claims: dict[str, object] = {"iat": issued, "exp": issued + ttl, "jti": str(new_id())}
        claims |= {"iss": self._rules.issuer} if self._rules.issuer else {}
        claims |= {"aud": self._rules.audience} if self._rules.audience else {}
        claims |= {self._rules.scope_claim: " ".join(sorted(scopes)), self._rules.user_claim: user_id}
        return jwt.encode({"alg": self._algorithm}, claims, self._secret.octets, [self._algorithm])


class SignatureVerifier:
    """Opens tokens; `sources` has every accepted algorithm with its source of keys."""

    def __init__(self, sources: Mapping[str, KeySource]) -> None:
        self._sources = sources
        self._registry = _AlgorithmRegistry(algorithms=sorted(sources), strict_check_header=False)

    async def verify(self, token: str) -> tuple[dict[str, object], KeySource]:
        """What a token says, and by whose key; whom it is meant for, and until when, is not looked at."""
        header = _decode_header(token)
        source = self._sources.get(header.alg)
        if source is None:
            raise Unauthenticated(f"the token's algorithm is not one of {', '.join(sorted(self._sources))}")
        key = await source.key(algorithm=header.alg, kid=header.kid)
        try:
            signed = jws.deserialize_compact(token, key, registry=self._registry)
        except (JoseError, ValueError):
            raise Unauthenticated("the token's signature does not hold") from None
        return _decode_claims(signed.payload), source


class TokenVerifier:
    """Turns a token into its caller; `sources` has every accepted algorithm with its source of keys.

    With `accepts_visitors` the shared secret may also have named a visitor; no other key ever does.
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
        """The caller; `Unauthenticated` says what is wrong, `Unavailable` that no key can be had just now."""
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(f"the token is longer than {MAX_TOKEN} bytes")
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None:
            return cached
        claims, source = await self._verify(token)
        caller = self._caller(claims, signed_here=isinstance(source, SharedSecret))
        self._cache.put(digest, caller, until=min(_expiry(claims), self._now() + MAX_CACHE_SECONDS))
        return caller

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _verify(self, token: str) -> tuple[dict[str, object], KeySource]:
        claims, source = await self._signature_verifier.verify(token)
        self._check_claims(claims)
        return claims, source

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
            raise Unauthenticated(f"the token names no user: its claim '{name}' must be text")
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
    """What is believed of a header before the signature is checked: enough to choose the key."""

    alg: str
    kid: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _decode_header(token: str) -> _Header:
    segment = token.partition(".")[0]
    try:
        header = msgspec.json.decode(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=_Header)
    except (ValueError, RecursionError):
        raise Unauthenticated("the credential is no JSON Web Token") from None
    if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
        raise Unauthenticated("the token asks for extensions that are not supported")
    return header


def _decode_claims(payload: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(payload, type=dict[str, object])
    except (ValueError, RecursionError):
        raise Unauthenticated("the token holds no claims") from None


def _expiry(claims: Mapping[str, object]) -> float:
    expiry = claims["exp"]
    assert isinstance(expiry, int | float)  # checked with the other claims
    return expiry


def _claim_fault(error: Exception) -> str:
    match error:
        case ExpiredTokenError():
            return "the token has expired"
        case MissingClaimError():
            return f"the token lacks a claim that is required: {error.claim}"
        case ClaimError():
            return _CLAIM_FAULTS.get(error.claim, f"the token's claim '{error.claim}' is malformed")
    return "the token's times are out of range"


_CLAIM_FAULTS = {
    "iss": "the token is from another issuer than the one expected here",
    "aud": "the token is meant for another audience",
    "nbf": "the token is not valid yet",
    "iat": "the token was issued in the future",
}


def _parse_scopes(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        claim = claim.split()
    if claim is None:
        claim = []
    if not isinstance(claim, list) or not all(isinstance(scope, str) for scope in claim):
        raise Unauthenticated("the token's scopes are neither text nor a list of texts")
    named = frozenset(claim) - _OPENID_SCOPES
    return named & TOKEN_SCOPES if named else DEFAULT_SCOPES
