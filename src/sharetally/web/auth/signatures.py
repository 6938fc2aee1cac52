"""The signatures of JSON Web Tokens (RFC 7515): which algorithms are accepted, and which key belongs to each.

Each accepted algorithm has exactly one source of keys, so a token can only choose among the configured ones: `none` has
no source, and a public key is never used as a secret.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Protocol

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import Key, OctKey

from sharetally.domain.errors import ConfigurationError, Unauthenticated


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


class SignatureVerifier:
    """Verifies the signature of tokens; `sources` maps every accepted algorithm to its source of keys."""

    def __init__(self, sources: Mapping[str, KeySource]) -> None:
        self._sources = sources
        self._registry = _AlgorithmRegistry(algorithms=sorted(sources), strict_check_header=False)

    async def verify(self, token: str) -> tuple[dict[str, object], KeySource]:
        """The claims of a token and the source of its key; audience and expiry are not checked here."""
        segment = token.partition(".")[0]
        try:
            header = msgspec.json.decode(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=_Header)
        except (ValueError, RecursionError):
            raise Unauthenticated("the credential is not a JSON Web Token") from None
        if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
            raise Unauthenticated("the token requires extensions that are not supported")
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
