"""The cache that several processes share: one Redis or Valkey server.

It stands where `flow/announce.py` writes and `flow/queries.py` reads, as every cache does. What it
guarantees: no call takes longer than its time-out, whatever the server does (waiting for a free
connection, connecting and the answer included); no fault leaves it as an error; versions are compared on
the server, in the same step that writes. After five faults in a row nobody asks for two seconds: a
dead server costs one request in a while its time-out, not each. Needs no more than Redis 3.2 has.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import TypeVar

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import Misconfigured
from sharetally.ports import Cache

_Answer = TypeVar("_Answer")

_PREFIX = "sharetally:count:"
_VERSION = struct.Struct(">Q")  # stands before the encoded count
_CONNECTIONS = 64  # of one process; who comes later waits within the time-out
_BATCH = 500  # counts a script run: the server serves nobody else meanwhile
_DECODED = 4096  # counts kept as they were read
_FAULTS = 5
_PAUSE = 2.0  # seconds

# A Lua number is a double, exact to 2**53 only, and Lua compares strings by the server's locale: a version
# is compared as two halves of 32 bits.
_PUT_IF_NOT_OLDER = """
for i, key in ipairs(KEYS) do
  local high, low = struct.unpack('>I4I4', ARGV[i + 1])
  local held = redis.call('GETRANGE', key, 0, 7)
  local older = false
  if #held == 8 then
    local held_high, held_low = struct.unpack('>I4I4', held)
    older = high < held_high or (high == held_high and low < held_low)
  end
  if not older then
    redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1])
  end
end
return #KEYS
"""


class RedisCache(Cache):
    """Counts in Redis for `ttl` seconds each; no call waits longer than `timeout` seconds.

    `url` is `redis://`, `rediss://` or `unix://`; `Misconfigured` if it cannot be read. A `put` of more
    than 500 counts has the time-out for each 500, and ends at the first fault.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: float = 60.0,
        timeout: float = 0.05,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = _client(url)
        self._put = self._client.register_script(_PUT_IF_NOT_OLDER)
        self._lifetime = max(1, round(ttl * 1000))
        self._timeout = timeout
        self._slots = asyncio.Semaphore(self._client.connection_pool.max_connections)
        self._breaker = _Breaker(monotonic=monotonic)
        self._encoder = msgspec.msgpack.Encoder()
        # The same bytes are the same count: of a hot content they are read again and again.
        self._decoded = lru_cache(maxsize=_DECODED)(msgspec.msgpack.Decoder(Count).decode)
        self._log = structlog.get_logger("sharetally.cache")

    def __repr__(self) -> str:
        return f"<RedisCache {'set aside' if self._breaker.tripped else 'in use'}>"

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked, in one round trip."""
        if not contents or not self._breaker.admits():
            return [None] * len(contents)
        values = await self._ask(lambda: self._client.mget([_key(content) for content in contents]))
        if values is None:
            return [None] * len(contents)
        return [self._decode(content, value) for content, value in zip(contents, values, strict=True)]

    async def put(self, counts: Iterable[Count]) -> None:
        """Store, 500 in a round trip; a lower version never overwrites a higher one."""
        for batch in _batches(counts):
            if not self._breaker.admits() or not await self._store(batch):
                return

    async def ping(self) -> bool:
        """Whether it answers just now; asks even while nobody else does."""
        return await self._ask(self._client.ping) is not None

    async def open(self) -> None:
        """Connect; never fails because nobody answers."""
        await self.ping()

    async def close(self) -> None:
        """Give the connections back, within the time-out; repeating is fine."""
        with suppress(Exception):  # a server that is gone does not hold up the end
            async with asyncio.timeout(self._timeout):
                await self._client.aclose()

    async def _store(self, batch: Sequence[Count]) -> bool:
        keys = [_key(count.content) for count in batch]
        values = [_VERSION.pack(count.version) + self._encoder.encode(count) for count in batch]
        return await self._ask(lambda: self._put(keys=keys, args=[self._lifetime, *values])) is not None

    def _decode(self, content: ContentRef, value: bytes | str | None) -> Count | None:
        if not isinstance(value, bytes):
            return None
        try:
            count = self._decoded(value[_VERSION.size :])
        except msgspec.MsgspecError:
            return None
        return count if count.content == content else None

    async def _ask(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer | None:
        """The server's answer, or None for any fault; either way the breaker learns of it."""
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                answer = await call()
        except Exception as fault:  # whatever server or client get wrong is a miss
            self._failed(fault)
            return None
        self._answered()
        return answer

    def _answered(self) -> None:
        if self._breaker.tripped:
            self._log.info("cache_back")
        self._breaker.succeeded()

    def _failed(self, fault: Exception) -> None:
        was_tripped = self._breaker.tripped
        self._breaker.failed()
        if self._breaker.tripped and not was_tripped:
            # the kind alone: a client's texts may quote the address, and with it a password
            self._log.warning("cache_away", fault=type(fault).__name__)


class _Breaker:
    """After five faults in a row nobody asks for two seconds; then one does and the rest await its word."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._faults = 0
        self._next_try = 0.0

    @property
    def tripped(self) -> bool:
        """Whether it keeps callers away."""
        return self._faults >= _FAULTS

    def admits(self) -> bool:
        """Whether this caller may ask; a probe that never reports back is followed by another."""
        if not self.tripped:
            return True
        now = self._monotonic()
        if now < self._next_try:
            return False
        self._next_try = now + _PAUSE
        return True

    def succeeded(self) -> None:
        """Let everybody through."""
        self._faults = 0

    def failed(self) -> None:
        """Note a fault; the pause begins with the last one."""
        self._faults += 1
        self._next_try = self._monotonic() + _PAUSE


def _client(url: str) -> Redis:
    """A client that does each thing once and leaves all timing to the caller.

    RESP2 without a greeting: one round trip less, and a server of any age understands it.
    """
    try:
        return Redis.from_url(
            url,
            protocol=2,
            driver_info=None,
            max_connections=_CONNECTIONS,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
    except (ValueError, TypeError):
        # without its cause: that may quote the password
        raise Misconfigured("CACHE_URL: not a Redis address; redis://, rediss:// and unix:// are") from None


def _key(content: ContentRef) -> bytes:
    """The type goes with its length: no two contents share a key, whatever stands in type or id."""
    return f"{_PREFIX}{len(content.type)}:{content.type}:{content.id}".encode()


def _batches(counts: Iterable[Count]) -> Iterator[list[Count]]:
    rest = iter(counts)
    while batch := list(islice(rest, _BATCH)):
        yield batch
