"""The cache of counts. It saves reads of the database and is never needed: without it every answer is the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count


class Cache(Protocol):
    """Counts by content. A fault or a slow answer is a miss, never an error."""

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked."""
        ...

    async def put(self, counts: Iterable[Count]) -> None:
        """Store; a lower version never overwrites a higher one."""
        ...

    async def ping(self) -> bool:
        """Whether it answers."""
        ...

    async def open(self) -> None:
        """Connect; never fails because nobody answers."""
        ...

    async def close(self) -> None:
        """Leave; repeating is fine."""
        ...
