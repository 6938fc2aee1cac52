"""Public keys of an issuer: its JWK set (RFC 7517), fetched when needed and kept.

A source of keys for `tokens.py`. Keys are fetched again when ten minutes old, by a request that finds them
so, and when a token names a key that is not there; but never twice within 30 seconds, however many made-up
keys come. While the issuer cannot be reached the keys at hand go on working; without any the answer is
`Unavailable`. What is fetched is bounded in size and time, and comes by https or from this machine.
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

MAX_AGE = 600.0  # seconds until keys are fetched again
MIN_FETCH_INTERVAL = 30.0  # seconds between two fetches at least
MIN_FETCH_INTERVAL_WITHOUT_KEYS = 5.0  # the same while there are no keys at all
MAX_KEYS = 100

Fetch = Callable[[], Awaitable[bytes]]
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class _KeySet(msgspec.Struct, frozen=True, kw_only=True):
    keys: list[dict[str, object]]


class JwksKeySource:
    """The keys that `fetch` brings; one fetch at a time, and nobody waits for it who has a key already."""

    def __init__(self, *, fetch: Fetch, now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = -MAX_AGE
        self._tried_at = -MAX_AGE
        self._lock = asyncio.Lock()

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        """The key of this name, or the only one for the algorithm if the token names none."""
        start = self._now()
        found = self._find(algorithm, kid)
        if found is None or (start - self._fetched_at >= MAX_AGE and not self._lock.locked()):
            await self._refresh(requested_at=start)
            found = self._find(algorithm, kid)
        if found is not None:
            return found
        if not self._keys:
            raise Unavailable("the keys of the token's issuer cannot be had just now", retry_after=5)
        raise Unauthenticated("the token is signed with a key that its issuer does not publish")

    def _find(self, algorithm: str, kid: str | None) -> Key | None:
        candidates = [key for key in self._keys if _matches(key, algorithm)]
        if kid is None:
            return candidates[0] if len(candidates) == 1 else None
        return next((key for key in candidates if key.kid == kid), None)

    async def _refresh(self, *, requested_at: float) -> None:
        async with self._lock:
            min_interval = MIN_FETCH_INTERVAL if self._keys else MIN_FETCH_INTERVAL_WITHOUT_KEYS
            if self._tried_at >= requested_at or self._now() - self._tried_at < min_interval:
                return
            try:
                self._keys = _parse_key_set(await self._fetch())
                self._fetched_at = self._now()
            except FETCH_ERRORS:
                return  # the keys at hand are as good as before
            finally:
                self._tried_at = self._now()


def _matches(key: Key, algorithm: str) -> bool:
    return key.key_type == _KEY_TYPES.get(algorithm[:2]) and key.alg in (None, algorithm)


def _parse_key_set(document: bytes) -> tuple[Key, ...]:
    """The usable keys of a JWK set; `ValueError` if it is none or holds none."""
    try:
        members = msgspec.json.decode(document, type=_KeySet).keys[:MAX_KEYS]
    except RecursionError:
        raise ValueError("nested too deeply") from None
    keys = tuple(key for key in map(_import_key, members) if key is not None)
    if not keys:
        raise ValueError("no usable key")
    return keys


def _import_key(member: dict[str, object]) -> Key | None:
    # what we do not understand is skipped (RFC 7517, 5); a shared secret does not belong in public
    if member.get("kty") == OctKey.key_type or member.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(member)  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def jwks_over_http(url: str, outbound: Outbound) -> Fetch:
    """Fetch from this address; `ConfigurationError` unless it is https or on this machine."""
    require_secure_url(url, "JWKS_URL")

    async def fetch() -> bytes:
        found = await fetch_url(outbound, url)
        if found.status != 200:
            raise ValueError(f"answered {found.status}")
        return found.body

    return fetch
