"""The store of counts: the totals and cells that workers move, and the exact counts that add what is still pending.

The transaction of `ports/ledger` moves counts; this store only reads them, without a lock.
Every method may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformStatus:
    """Live share records on one platform, by all users; `last_shared_at` is None if nobody ever shared there."""

    shares: int
    last_shared_at: datetime | None


class CountStore(Protocol):
    """Counts of content items, read only."""

    async def stored(self, contents: Sequence[ContentRef]) -> list[Count]:
        """The stored counts, in the order of `contents`; version 0 where nothing was ever shared."""
        ...

    async def exact(self, contents: Sequence[ContentRef]) -> list[Count]:
        """Stored counts plus committed events that are not counted yet, from one statement, in the order of `contents`.

        The version is that of the stored count.
        """
        ...

    async def by_platform(self, content: ContentRef) -> Mapping[str, PlatformStatus]:
        """Live share records by platform, pending events included, from one statement.

        A platform on which nobody ever shared is missing.
        """
        ...
