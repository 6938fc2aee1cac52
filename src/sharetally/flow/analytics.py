"""Shares over time and the most shared, for whoever looks: from the rollups that the counting transaction keeps.

A time that is asked for is widened to whole buckets of the asked time zone, and the answer tells to which.
Summed over all time, what was made less what was withdrawn is the count, to the last share.
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
MAX_GROUPS = 20  # groups; the others are one
ALL = "all"
OTHER = "other"
LATEST = datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeRange:
    """A time as it is asked for: `interval` tells what is missing of `start` and `end`, and is 7 days unless told.

    Without an end it ends now, or when the interval after its start does.
    """

    zone: ZoneInfo
    start: datetime | None = None
    end: datetime | None = None
    interval: Interval | None = None


class Totals(NamedTuple):
    """What was made and what was withdrawn; `made` is below 0 where links moved to another channel."""

    made: int = 0
    withdrawn: int = 0

    @property
    def shares(self) -> int:
        """What is left of it."""
        return self.made - self.withdrawn


class Series(NamedTuple):
    """One group: its sum, and a point for each bucket."""

    name: str
    total: Totals
    points: Sequence[Totals]


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeSeries:
    """What was asked for, widened to whole buckets: `starts` are their begins. UTC."""

    start: datetime
    end: datetime
    starts: Sequence[datetime]
    total: Totals
    series: Sequence[Series]


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Of which contents and channel; None for all."""

    content_type: str | None = None
    content_id: str | None = None
    channel: str | None = None

    def within(self, start: datetime, end: datetime) -> RollupFilter:
        """These, in a time."""
        return RollupFilter(
            start=start,
            end=end,
            content_type=self.content_type,
            content_id=self.content_id,
            channel=self.channel,
        )


class Analytics:
    """The reading half for people who look at all contents together."""

    def __init__(self, *, store: AnalyticsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def over_time(
        self, criteria: Filter, time_range: TimeRange, *, bucket: str, by: GroupBy | None
    ) -> TimeSeries:
        """Series by group; `InvalidRequest` where the time makes too many buckets."""
        size = BUCKET_SECONDS[bucket]
        start, end = self._bounds(time_range, size)
        _check_bucket_count(start, end, bucket)
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
        """The most shared in a time."""
        start, end = self._bounds(time_range, BUCKET_SECONDS["15m"])
        return await self._store.top(criteria.within(start, end), limit=limit)

    def _bounds(self, time_range: TimeRange, size: int) -> tuple[datetime, datetime]:
        start, end = self._requested_bounds(time_range, size)
        if not EPOCH <= start < end <= LATEST:
            raise InvalidRequest(("from", "must lie before `to`, and both from 1970 to 9997"))
        return start_of_bucket(start, size, time_range.zone), next_bucket_start(end, size, time_range.zone)

    def _requested_bounds(self, time_range: TimeRange, size: int) -> tuple[datetime, datetime]:
        interval = time_range.interval or Interval(days=7)
        if time_range.start is not None:
            if time_range.start > LATEST:
                raise InvalidRequest(("from", "must lie before the year 9998"))
            return time_range.start, time_range.end or self._end_after(time_range.start, time_range)
        end = time_range.end or self._clock.now()
        if end > LATEST:
            raise InvalidRequest(("to", "must lie before the year 9998"))
        whole = next_bucket_start(end, size, time_range.zone) if interval.seconds else end
        return max(EPOCH, subtract_interval(whole, interval, time_range.zone)), end

    def _end_after(self, start: datetime, time_range: TimeRange) -> datetime:
        if time_range.interval is None:
            return max(self._clock.now(), start + timedelta(seconds=1))
        try:
            local = start.astimezone(time_range.zone) + timedelta(days=time_range.interval.days)  # wall-clock days
            return min(LATEST, local.astimezone(UTC) + timedelta(seconds=time_range.interval.seconds))
        except OverflowError:
            return LATEST


def _check_bucket_count(start: datetime, end: datetime, bucket: str) -> None:
    bucket_count = (end - start) // timedelta(seconds=BUCKET_SECONDS[bucket])
    if bucket_count > MAX_BUCKETS:
        raise InvalidRequest(
            (
                "bucket",
                f"makes {bucket_count} buckets, {MAX_BUCKETS} at most: ask for a shorter time or for larger buckets",
            )
        )


def _series_name(each: RollupSum, by: GroupBy | None) -> str:
    if by is None:
        return ALL
    return OTHER if each.name is None else each.name or NONE_LABEL


def _series(sums: Iterable[tuple[str, int, RollupSum]], starts: Sequence[datetime]) -> list[Series]:
    """Those that made most first; somebody's channel may be called `other`, or `none`, itself."""
    points: dict[str, list[Totals]] = {}
    for name, index, each in sums:
        line = points.setdefault(name, [Totals()] * len(starts))
        line[index] = Totals(line[index].made + each.made, line[index].withdrawn + each.withdrawn)
    found = [Series(name, _add_up(line), line) for name, line in points.items()]
    return sorted(found, key=lambda each: (-each.total.made, each.name))


def _add_up(all_of: Iterable[Totals]) -> Totals:
    made = withdrawn = 0
    for each in all_of:
        made += each.made
        withdrawn += each.withdrawn
    return Totals(made, withdrawn)
