"""Shares over time and the most shared content items, read from the rollups that the counting transaction keeps.

A requested period is widened to whole buckets of the requested time zone, and the response states the widened period.
Summed over all time, the shares made minus the shares withdrawn are exactly the count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sharetally.domain.calendar import (
    BUCKET_SECONDS,
    Interval,
    build_grid,
    next_bucket_start,
    start_of_bucket,
    subtract_interval,
)
from sharetally.domain.content import NONE_LABEL
from sharetally.domain.count import EPOCH
from sharetally.domain.errors import InvalidRequest
from sharetally.ports import AnalyticsStore, Clock, GroupBy, RollupFilter, RollupSum, TopContent

MAX_BUCKETS = 1_500
MAX_GROUPS = 20  # the largest ones; all others are combined into one
ALL = "all"
OTHER = "other"
LATEST = datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeRange:
    """A requested period.

    `interval` determines whichever of `start` and `end` is missing; it defaults to 7 days. A period with only a start
    ends after the interval if one was given, and otherwise now. A period without either ends now.
    """

    zone: ZoneInfo
    start: datetime | None = None
    end: datetime | None = None
    interval: Interval | None = None


class Totals(NamedTuple):
    """Shares made and shares withdrawn; `made` is negative where more links moved to other channels than were made."""

    made: int = 0
    withdrawn: int = 0

    @property
    def shares(self) -> int:
        """The shares made minus the shares withdrawn."""
        return self.made - self.withdrawn


class Series(NamedTuple):
    """One group: its total, and a point for each bucket."""

    name: str
    total: Totals
    points: Sequence[Totals]


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeSeries:
    """The result for a period that was widened to whole buckets; `starts` holds the start of each bucket. UTC."""

    start: datetime
    end: datetime
    starts: Sequence[datetime]
    total: Totals
    series: Sequence[Series]


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which content items and which channel to include; None means all."""

    content_type: str | None = None
    content_id: str | None = None
    channel: str | None = None

    def within(self, start: datetime, end: datetime) -> RollupFilter:
        """The store's filter: this one, limited to a period."""
        return RollupFilter(
            start=start,
            end=end,
            content_type=self.content_type,
            content_id=self.content_id,
            channel=self.channel,
        )


class Analytics:
    """Answers questions about all content items, or about those that a filter selects."""

    def __init__(self, *, store: AnalyticsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def over_time(
        self, criteria: Filter, time_range: TimeRange, *, bucket: str, by: GroupBy | None
    ) -> TimeSeries:
        """The totals of each group and bucket; `InvalidRequest` if the period has too many buckets."""
        size = BUCKET_SECONDS[bucket]
        start, end = self._bounds(time_range, size)
        if (buckets := (end - start) // timedelta(seconds=size)) > MAX_BUCKETS:
            fault = (
                f"makes {buckets} buckets, at most {MAX_BUCKETS} are allowed: use a shorter period or larger buckets"
            )
            raise InvalidRequest(("bucket", fault))
        grid = build_grid(start, end, size, time_range.zone)
        sums = await self._store.over_time(criteria.within(start, end), grid, by, at_most=MAX_GROUPS)
        series = _series(
            ((_series_name(each, by), grid.index_of(each.period, each.bucket_number), each) for each in sums),
            grid.starts,
        )
        if by is None and not series:
            series = [Series(ALL, Totals(), [Totals()] * len(grid.starts))]
        total = _add_up(each.total for each in series)
        return TimeSeries(start=start, end=end, starts=grid.starts, total=total, series=series)

    async def top(self, criteria: Filter, time_range: TimeRange, *, limit: int) -> Sequence[TopContent]:
        """The content items that were shared most in a period."""
        start, end = self._bounds(time_range, BUCKET_SECONDS["15m"])
        return await self._store.top(criteria.within(start, end), limit=limit)

    def _bounds(self, time_range: TimeRange, size: int) -> tuple[datetime, datetime]:
        start, end = self._requested_bounds(time_range, size)
        if not EPOCH <= start < end <= LATEST:
            raise InvalidRequest(("from", "must be earlier than `to`, and both must be in the years 1970 to 9997"))
        return start_of_bucket(start, size, time_range.zone), next_bucket_start(end, size, time_range.zone)

    def _requested_bounds(self, time_range: TimeRange, size: int) -> tuple[datetime, datetime]:
        interval = time_range.interval or Interval(days=7)
        if time_range.start is not None:
            if time_range.start > LATEST:
                raise InvalidRequest(("from", "must be earlier than the year 9998"))
            return time_range.start, time_range.end or self._end_after(time_range.start, time_range)
        end = time_range.end or self._clock.now()
        if end > LATEST:
            raise InvalidRequest(("to", "must be earlier than the year 9998"))
        widened_end = next_bucket_start(end, size, time_range.zone) if interval.seconds else end
        return max(EPOCH, subtract_interval(widened_end, interval, time_range.zone)), end

    def _end_after(self, start: datetime, time_range: TimeRange) -> datetime:
        if time_range.interval is None:
            return max(self._clock.now(), start + timedelta(seconds=1))
        try:
            local = start.astimezone(time_range.zone) + timedelta(days=time_range.interval.days)  # wall-clock days
            return min(LATEST, local.astimezone(UTC) + timedelta(seconds=time_range.interval.seconds))
        except OverflowError:
            return LATEST


def _series_name(each: RollupSum, by: GroupBy | None) -> str:
    if by is None:
        return ALL
    return OTHER if each.name is None else each.name or NONE_LABEL


def _series(sums: Iterable[tuple[str, int, RollupSum]], starts: Sequence[datetime]) -> list[Series]:
    """The groups, those with the most shares first.

    A channel may itself be called `other` or `none`: its sums are then added to the group of that name.
    """
    points: dict[str, list[Totals]] = {}
    for name, index, each in sums:
        group = points.setdefault(name, [Totals()] * len(starts))
        group[index] = Totals(group[index].made + each.made, group[index].withdrawn + each.withdrawn)
    series = [Series(name, _add_up(group), group) for name, group in points.items()]
    return sorted(series, key=lambda each: (-each.total.made, each.name))


def _add_up(totals: Iterable[Totals]) -> Totals:
    made = withdrawn = 0
    for each in totals:
        made += each.made
        withdrawn += each.withdrawn
    return Totals(made, withdrawn)
