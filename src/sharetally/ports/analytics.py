"""What people look at: shares over time, the most shared, contents with their titles. Nothing here counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from sharetally.domain.calendar import Grid
from sharetally.domain.content import ContentRef
from sharetally.domain.content_details import ContentDetails


@dataclass(frozen=True, kw_only=True, slots=True)
class RollupFilter:
    """Which rollups; None does not filter. `start` is included, `end` is not."""

    start: datetime
    end: datetime
    content_type: str | None = None
    content_id: str | None = None
    channel: str | None = None


class GroupBy(StrEnum):
    """What rollups are told apart by."""

    CHANNEL = "channel"
    EVIDENCE = "evidence"
    CONTENT_TYPE = "content_type"


class RollupSum(NamedTuple):
    """What one group made and withdrew in one bucket, by the bucket's stretch and number (see `Grid`).

    `name` is None for all groups that are not told apart.
    """

    period: int
    bucket_number: int
    name: str | None
    made: int
    withdrawn: int


class TopContent(NamedTuple):
    """What a content made and withdrew in the time asked for."""

    details: ContentDetails
    made: int
    withdrawn: int


class AnalyticsStore(Protocol):
    """Shares over time, and contents by name; nothing here takes a lock but `describe`."""

    async def over_time(
        self, criteria: RollupFilter, grid: Grid, by: GroupBy | None, *, at_most: int
    ) -> list[RollupSum]:
        """Sums by bucket and group, from one snapshot, only those that are not zero.

        The `at_most` groups that made most are told apart, the others are one.
        """
        ...

    async def top(self, criteria: RollupFilter, *, limit: int) -> list[TopContent]:
        """Contents by made - withdrawn, largest first."""
        ...

    async def describe(self, details: ContentDetails) -> ContentDetails:
        """Keep what is told of a content, in place of what was; repeating changes the time only."""
        ...

    async def details(self, contents: Sequence[ContentRef]) -> list[ContentDetails]:
        """In the order asked; of a content that nobody knows there is no more than its name."""
        ...

    async def contents(
        self, *, begin: str, words: Sequence[str], content_type: str | None, limit: int, after: ContentRef | None
    ) -> list[ContentDetails]:
        """Known contents whose id begins so, or whose title has each of the words, by type and id after `after`."""
        ...
