"""The store of analytics: shares over time and the most shared content items, summed from rollups.

The counting transaction moves rollups; this store only reads them, without a lock. Each method may raise `Unavailable`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from sharetally.domain.calendar import Grid
from sharetally.domain.content_details import ContentDetails


@dataclass(frozen=True, kw_only=True, slots=True)
class RollupFilter:
    """Selects rollups; a field that is None selects all. `start` is inclusive, `end` is exclusive."""

    start: datetime
    end: datetime
    content_type: str | None = None
    content_id: str | None = None
    channel: str | None = None


class GroupBy(StrEnum):
    """The column that rollups are grouped by."""

    CHANNEL = "channel"
    EVIDENCE = "evidence"
    CONTENT_TYPE = "content_type"


class RollupSum(NamedTuple):
    """The shares that one group made and withdrew in one bucket, which its period and number identify (see `Grid`).

    `name` is None for the sum of all groups that are not listed on their own.
    """

    period: int
    bucket_number: int
    name: str | None
    made: int
    withdrawn: int


class TopContent(NamedTuple):
    """A content item with the shares that it made and withdrew in the requested time."""

    details: ContentDetails
    made: int
    withdrawn: int


class AnalyticsStore(Protocol):
    """Sums of rollups, read only."""

    async def over_time(
        self, criteria: RollupFilter, grid: Grid, by: GroupBy | None, *, at_most: int
    ) -> list[RollupSum]:
        """Sums by bucket and group, from one snapshot; buckets without any share are left out.

        The `at_most` groups that made the most shares are listed on their own, all others as one group.
        """
        ...

    async def top(self, criteria: RollupFilter, *, limit: int) -> list[TopContent]:
        """At most `limit` content items by made - withdrawn, largest first."""
        ...
