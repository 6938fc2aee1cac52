"""The cache of a single process: a dictionary that forgets.

It stands where `flow/announce.py` writes and `flow/queries.py` reads, as every cache does. A count is
forgotten `ttl` seconds after it was put, and the least recently used one when there are too many. No
method awaits anything, so each is one step: no lock is needed for a lower version to lose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.expiring import ExpiringCache
from sharetally.ports import Cache


class MemoryCache(Cache):
    """Counts of at most `max_contents` contents for `ttl` seconds each, measured by `monotonic`."""

    def __init__(
        self,
        *,
        max_contents: int = 100_000,
        ttl: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl
        self._monotonic = monotonic
        self._counts: ExpiringCache[ContentRef, Count] = ExpiringCache(capacity=max_contents, now=monotonic)

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked; asking saves a count from eviction, not from expiry."""
        return [self._counts.get(content) for content in contents]

    async def put(self, counts: Iterable[Count]) -> None:
        """Store; a lower version never overwrites a higher one, the same version only lives longer."""
        until = self._monotonic() + self._ttl
        for count in counts:
            cached = self._counts.get(count.content)
            if cached is None or cached.version <= count.version:
                self._counts.put(count.content, count, until=until)

    async def ping(self) -> bool:
        """Always: it is here."""
        return True

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Forget everything; repeating is fine."""
        self._counts.clear()
