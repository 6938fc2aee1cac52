"""No cache: every read is a miss and goes to the database.

It is used with an AMQP broker but without Redis. If each process had a cache of its own, a reader whose requests reach
two processes could see a count go down. Reading the database is slower but right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Cache


class NoCache(Cache):
    """Stores nothing and is always available."""

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """Return a miss for each content."""
        return [None] * len(contents)

    async def put(self, counts: Iterable[Count]) -> None:
        """Store nothing."""

    async def ping(self) -> bool:
        """Return True, because the absence of a cache is not a fault."""
        return True

    async def open(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""
