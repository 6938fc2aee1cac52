"""The public keys of an issuer: its JWK set (RFC 7517), fetched when needed and cached.

A source of keys for `tokens.py`. A request fetches the keys again if they are ten minutes old, or if a token names an
unknown key, but never twice within 30 seconds, no matter how many made-up keys are named. If the issuer cannot be
reached, the cached keys remain in use; without any keys the result is `Unavailable`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, OctKey

from sharetally.domain.errors import Unauthenticated, Unavailable
from sharetally.ports.outbound import Outbound
from sharetally.web.auth.fetch import FETCH_ERRORS, fetch_url, require_secure_url

MAX_AGE = 600.0  # seconds after which the keys are fetched again
MIN_FETCH_INTERVAL = 30.0  # seconds, at least, between two fetches
MIN_FETCH_INTERVAL_WITHOUT_KEYS = 5.0  # the same, as long as there are no keys at all
MAX_KEYS = 100

Fetch = Callable[[], Awaitable[bytes]]
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class _KeySet(msgspec.Struct, frozen=True, kw_only=True):
    keys: list[dict[str, object]]


class JwksKeySource:
    """The keys that `fetch` returns; one fetch at a time, for which only those wait who have no key yet."""

    def __init__(self, *, fetch: Fetch, now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = -MAX_AGE
        self._tried_at = -MAX_AGE
        self._lock = asyncio.Lock()

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        """The key with this id; without an id, the only key for this algorithm."""
        start = self._now()
        found = self._find(algorithm, kid)
        if found is None or (start - self._fetched_at >= MAX_AGE and not self._lock.locked()):
            await self._refresh(requested_at=start)
            found = self._find(algorithm, kid)
        if found is not None:
            return found
        if not self._keys:
            raise Unavailable("the keys of the token's issuer cannot be fetched at the moment", retry_after=5)
        raise Unauthenticated("the token is signed with a key that its issuer does not publish")

    def _find(self, algorithm: str, kid: str | None) -> Key | None:
        candidates = [
            key for key in self._keys if key.key_type == _KEY_TYPES.get(algorithm[:2]) and key.alg in (None, algorithm)
        ]
        if kid is None:
            return candidates[0] if len(candidates) == 1 else None
        return next((key for key in candidates if key.kid == kid), None)

    async def _refresh(self, *, requested_at: float) -> None:
        async with self._lock:
            min_interval = MIN_FETCH_INTERVAL if self._keys else MIN_FETCH_INTERVAL_WITHOUT_KEYS
            if self._tried_at >= requested_at or self._now() - self._tried_at < min_interval:
                return
            try:
                document = await self._fetch()
                try:
                    members = msgspec.json.decode(document, type=_KeySet).keys[:MAX_KEYS]
                except RecursionError:
                    raise ValueError("nested too deeply") from None
                keys = tuple(key for key in map(_import_key, members) if key is not None)
                if not keys:
                    raise ValueError("no usable key")
                self._keys = keys
                self._fetched_at = self._now()
            except FETCH_ERRORS:
                return  # the cached keys remain in use
            finally:
                self._tried_at = self._now()


def _import_key(member: dict[str, object]) -> Key | None:
    # unknown kinds of keys are skipped (RFC 7517, 5), and so is a shared secret, which must not be published
    if member.get("kty") == OctKey.key_type or member.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(member)  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def jwks_over_http(url: str, outbound: Outbound) -> Fetch:
    """A function that fetches this URL; `ConfigurationError` unless it is https or on this machine."""
    require_secure_url(url, "JWKS_URL")

    async def fetch() -> bytes:
        found = await fetch_url(outbound, url)
        if found.status != 200:
            raise ValueError(f"the status was {found.status}")
        return found.body

    return fetch
