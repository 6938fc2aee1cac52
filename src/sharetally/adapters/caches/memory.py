"""The cache of a single process: a dictionary that forgets.

It stands where `flow/announce.py` writes and `flow/queries.py` reads, as every cache does. A count is
forgotten `ttl` seconds after it was put, and the least recently used one when there are too many. No
method awaits anything, so each is one step: no lock is needed for a lower version to lose.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
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
        self._max_contents = max_contents
        self._ttl = ttl
        self._monotonic = monotonic
        self._held: OrderedDict[ContentRef, tuple[Count, float]] = OrderedDict()

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked; asking saves a count from eviction, not from expiry."""
        now = self._monotonic()
        return [self._find(content, now) for content in contents]

    async def put(self, counts: Iterable[Count]) -> None:
        """Store; a lower version never overwrites a higher one, the same version only lives longer."""
        now = self._monotonic()
        for count in counts:
            self._store(count, now)

    async def ping(self) -> bool:
        """Always: it is here."""
        return True

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Forget everything; repeating is fine."""
        self._held.clear()

    def _find(self, content: ContentRef, now: float) -> Count | None:
        held = self._held.get(content)
        if held is None:
            return None
        count, expires = held
        if expires <= now:
            del self._held[content]
            return None
        self._held.move_to_end(content)
        return count

    def _store(self, count: Count, now: float) -> None:
        held = self._find(count.content, now)
        if held is not None and held.version > count.version:
            return
        self._held[count.content] = (count, now + self._ttl)
        self._held.move_to_end(count.content)
        if len(self._held) > self._max_contents:
            self._held.popitem(last=False)
