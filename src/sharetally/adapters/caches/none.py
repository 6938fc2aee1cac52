"""No cache: every look misses and the database answers.

For an AMQP broker without Redis: several processes would each hold a count of their own, and a reader
who comes to one and then to the other would see it go back. Reading the database is slower and right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.ports import Cache


class NoCache(Cache):
    """Remembers nothing, and is never down."""

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """A miss for each."""
        return [None] * len(contents)

    async def put(self, counts: Iterable[Count]) -> None:
        """Nothing is kept."""

    async def ping(self) -> bool:
        """Always: having no cache is no fault."""
        return True

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to leave."""
