"""The cache of a single process: a dictionary whose entries expire.

Like every cache, `flow/announce.py` writes it and `flow/queries.py` reads it. A count expires `ttl` seconds after it
was put; when there are too many counts, the least recently used one is evicted. No method awaits anything, so each
runs in one step, and comparing versions needs no lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.expiring import ExpiringCache
from sharetally.ports import Cache


class MemoryCache(Cache):
    """Keeps the counts of at most `max_contents` contents for `ttl` seconds each, measured by `monotonic`."""

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
        """Return the cached counts in the order of `contents`; a read delays eviction, not expiry."""
        return [self._counts.get(content) for content in contents]

    async def put(self, counts: Iterable[Count]) -> None:
        """Store the counts; a lower version never overwrites a higher one, and the same version renews its expiry."""
        until = self._monotonic() + self._ttl
        for count in counts:
            cached = self._counts.get(count.content)
            if cached is None or cached.version <= count.version:
                self._counts.put(count.content, count, until=until)

    async def ping(self) -> bool:
        """Return True: memory is always available."""
        return True

    async def open(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def close(self) -> None:
        """Remove all counts; a repeated call does nothing."""
        self._counts.clear()
