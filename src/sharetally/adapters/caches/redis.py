"""The cache that several processes share: one Redis or Valkey server.

Like every cache, `flow/announce.py` writes it and `flow/queries.py` reads it. It guarantees: no call takes longer than
its time-out, including the wait for a free connection and the connect; no fault is raised as an error; and the server
compares versions in the same step in which it writes. After five faults in a row it skips the server for two seconds
(`guarded_redis.py`), so a dead server costs an occasional request its time-out rather than every request. Redis 3.2 is
enough.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import islice

import msgspec

from sharetally.adapters.guarded_redis import GuardedRedis
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Cache

_PREFIX = "sharetally:count:"
_VERSION = struct.Struct(">Q")  # precedes the encoded count
_COUNTS_PER_SCRIPT = 500  # limits how long one script keeps the server from other clients
_DECODE_CACHE_SIZE = 4096  # decoded counts

# Versions are compared as two halves of 32 bits: a Lua number is a double, which is exact only up to 2**53, and Lua
# compares strings by the server's locale.
_PUT_SCRIPT = """
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
    """Keeps counts in Redis for `ttl` seconds each; no call takes longer than `timeout` seconds.

    `url` is `redis://`, `rediss://` or `unix://`; `ConfigurationError` if it is invalid. `put` writes 500 counts at a
    time, each with its own time-out, and stops at the first fault.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: float = 60.0,
        timeout: float = 0.05,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = GuardedRedis(url, purpose="cache", timeout=timeout, monotonic=monotonic)
        self._put_script = self._redis.client.register_script(_PUT_SCRIPT)
        self._ttl_milliseconds = max(1, round(ttl * 1000))
        self._encoder = msgspec.msgpack.Encoder()
        # Equal bytes are equal counts, and those of a popular content are read many times.
        self._decode_cached = lru_cache(maxsize=_DECODE_CACHE_SIZE)(msgspec.msgpack.Decoder(Count).decode)

    def __repr__(self) -> str:
        return f"<RedisCache {self._redis!r}>"

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """Return the cached counts in the order of `contents`, in one round trip."""
        if not contents or not self._redis.allows():
            return [None] * len(contents)
        values = await self._redis.call(lambda: self._redis.client.mget([_key(content) for content in contents]))
        if values is None:
            return [None] * len(contents)
        return [self._decode(content, value) for content, value in zip(contents, values, strict=True)]

    async def put(self, counts: Iterable[Count]) -> None:
        """Store the counts, 500 in a round trip; a lower version never overwrites a higher one."""
        remaining = iter(counts)
        while batch := list(islice(remaining, _COUNTS_PER_SCRIPT)):
            if not self._redis.allows():
                return
            keys = [_key(count.content) for count in batch]
            values = [_VERSION.pack(count.version) + self._encoder.encode(count) for count in batch]
            command = partial(self._put_script, keys=keys, args=[self._ttl_milliseconds, *values])
            if await self._redis.call(command) is None:
                return

    async def ping(self) -> bool:
        """Whether the server answers now; asks it even while other calls skip it."""
        return await self._redis.call(self._redis.client.ping) is not None

    async def open(self) -> None:
        """Connect; raises nothing if the server does not answer."""
        await self.ping()

    async def close(self) -> None:
        """Close the connections within the time-out; a repeated call does nothing."""
        await self._redis.close()

    def _decode(self, content: ContentRef, value: bytes | str | None) -> Count | None:
        if not isinstance(value, bytes):
            return None
        try:
            count = self._decode_cached(value[_VERSION.size :])
        except msgspec.MsgspecError:
            return None
        return count if count.content == content else None


def _key(content: ContentRef) -> bytes:
    """The key of a content; the length before the type makes it unique, whatever type and id contain."""
    return f"{_PREFIX}{len(content.type)}:{content.type}:{content.id}".encode()
