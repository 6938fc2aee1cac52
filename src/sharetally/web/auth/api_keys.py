"""API keys: how they are created, and how requests look them up.

Only a digest is stored. A key is looked up at most every `KEY_TTL` seconds, so a revoked one stops working within that
time.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Set
from uuid import UUID

import structlog

from sharetally.domain.caller import SCOPES
from sharetally.domain.content import label_fault
from sharetally.domain.errors import InvalidRequest, SharetallyError, Unauthenticated
from sharetally.domain.expiring import ExpiringCache
from sharetally.domain.ids import new_id
from sharetally.ports import ApiKey, Clock, KeyStore

KEY_PREFIX = "stk_"
KEY_TTL = 5.0  # seconds for which a key is used without looking it up again
MAX_KEYS = 10_000  # the most keys that are cached; as many unknown ones are cached too
USE_PRECISION_SECONDS = 60.0  # the precision of the stored time of last use
_KEY = re.compile(r"stk_[A-Za-z0-9_-]{43}")
log = structlog.get_logger("sharetally.keys")


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
