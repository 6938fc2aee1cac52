"""The cache that several processes share: one Redis or Valkey server.

It stands where `flow/announce.py` writes and `flow/queries.py` reads, as every cache does. What it
guarantees: no call takes longer than its time-out, whatever the server does (waiting for a free
connection, connecting and the answer included); no fault leaves it as an error; versions are compared on
the server, in the same step that writes. After five faults in a row nobody asks for two seconds: a
dead server costs one request in a while its time-out, not each. Needs no more than Redis 3.2 has.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

import msgspec

from sharetally.adapters.guarded_redis import GuardedRedis
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Cache

_PREFIX = "sharetally:count:"
_VERSION = struct.Struct(">Q")  # stands before the encoded count
_COUNTS_PER_SCRIPT = 500  # counts a script run: the server serves nobody else meanwhile
_DECODE_CACHE_SIZE = 4096  # counts kept as they were read

# A Lua number is a double, exact to 2**53 only, and Lua compares strings by the server's locale: a version
# is compared as two halves of 32 bits.
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
    """Counts in Redis for `ttl` seconds each; no call waits longer than `timeout` seconds.

    `url` is `redis://`, `rediss://` or `unix://`; `ConfigurationError` if it cannot be read. A `put` of more
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
        self._redis = GuardedRedis(url, purpose="cache", timeout=timeout, monotonic=monotonic)
        self._put_script = self._redis.client.register_script(_PUT_SCRIPT)
        self._ttl_milliseconds = max(1, round(ttl * 1000))
        self._encoder = msgspec.msgpack.Encoder()
        # The same bytes are the same count: of a hot content they are read again and again.
        self._decode_cached = lru_cache(maxsize=_DECODE_CACHE_SIZE)(msgspec.msgpack.Decoder(Count).decode)

    def __repr__(self) -> str:
        return f"<RedisCache {self._redis!r}>"

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked, in one round trip."""
        if not contents or not self._redis.allows():
            return [None] * len(contents)
        values = await self._redis.call(lambda: self._redis.client.mget([_key(content) for content in contents]))
        if values is None:
            return [None] * len(contents)
        return [self._decode(content, value) for content, value in zip(contents, values, strict=True)]

    async def put(self, counts: Iterable[Count]) -> None:
        """Store, 500 in a round trip; a lower version never overwrites a higher one."""
        for batch in _batches(counts):
            if not self._redis.allows() or not await self._store(batch):
                return

    async def ping(self) -> bool:
        """Whether it answers just now; asks even while nobody else does."""
        return await self._redis.call(self._redis.client.ping) is not None

    async def open(self) -> None:
        """Connect; never fails because nobody answers."""
        await self.ping()

    async def close(self) -> None:
        """Give the connections back, within the time-out; repeating is fine."""
        await self._redis.close()

    async def _store(self, batch: Sequence[Count]) -> bool:
        keys = [_key(count.content) for count in batch]
        values = [_VERSION.pack(count.version) + self._encoder.encode(count) for count in batch]
        return (
            await self._redis.call(lambda: self._put_script(keys=keys, args=[self._ttl_milliseconds, *values]))
            is not None
        )

    def _decode(self, content: ContentRef, value: bytes | str | None) -> Count | None:
        if not isinstance(value, bytes):
            return None
        try:
            count = self._decode_cached(value[_VERSION.size :])
        except msgspec.MsgspecError:
            return None
        return count if count.content == content else None


def _key(content: ContentRef) -> bytes:
    """The type goes with its length: no two contents share a key, whatever stands in type or id."""
    return f"{_PREFIX}{len(content.type)}:{content.type}:{content.id}".encode()


def _batches(counts: Iterable[Count]) -> Iterator[list[Count]]:
    remaining = iter(counts)
    while batch := list(islice(remaining, _COUNTS_PER_SCRIPT)):
        yield batch
