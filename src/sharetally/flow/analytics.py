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

from sharetally.domain.calendar import BUCKETS, Interval, back, begin_of, end_of, grid
from sharetally.domain.content import NONE_LABEL
from sharetally.domain.count import NEVER
from sharetally.domain.errors import InvalidRequest
from sharetally.ports import Clock, Group, Insight, RollupFilter, RollupSum, TopContent

MAX_BUCKETS = 1_500
TOLD_APART = 20  # groups; the others are one
ALL = "all"
OTHER = "other"
FAR = datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A time as it is asked for: `interval` tells what is missing of `start` and `end`, and is 7 days unless told.

    Without an end it ends now, or when the interval after its start does.
    """

    zone: ZoneInfo
    start: datetime | None = None
    end: datetime | None = None
    interval: Interval | None = None


class Moves(NamedTuple):
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
    sum: Moves
    points: Sequence[Moves]


@dataclass(frozen=True, kw_only=True, slots=True)
class OverTime:
    """What was asked for, widened to whole buckets: `starts` are their begins. UTC."""

    start: datetime
    end: datetime
    starts: Sequence[datetime]
    total: Moves
    series: Sequence[Series]


@dataclass(frozen=True, kw_only=True, slots=True)
class Which:
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

    def __init__(self, *, insight: Insight, clock: Clock) -> None:
        self._insight = insight
        self._clock = clock

    async def over_time(self, which: Which, span: Span, *, bucket: str, by: Group | None) -> OverTime:
        """Series by group; `InvalidRequest` where the time makes too many buckets."""
        size = BUCKETS[bucket]
        start, end = self._bounds(span, size)
        _check_number(start, end, bucket)
        cut = grid(start, end, size, span.zone)
        sums = await self._insight.over_time(which.within(start, end), cut, by, at_most=TOLD_APART)
        series = _series(((_shown(each, by), cut.place(each.stretch, each.number), each) for each in sums), cut.starts)
        if by is None and not series:
            series = [Series(ALL, Moves(), [Moves()] * len(cut.starts))]
        total = _added(each.sum for each in series)
        return OverTime(start=start, end=end, starts=cut.starts, total=total, series=series)

    async def top(self, which: Which, span: Span, *, limit: int) -> Sequence[TopContent]:
        """The most shared in a time."""
        start, end = self._bounds(span, BUCKETS["15m"])
        return await self._insight.top(which.within(start, end), limit=limit)

    def _bounds(self, span: Span, size: int) -> tuple[datetime, datetime]:
        start, end = self._asked(span, size)
        if not NEVER <= start < end <= FAR:
            raise InvalidRequest(("from", "must lie before `to`, and both from 1970 to 9997"))
        return begin_of(start, size, span.zone), end_of(end, size, span.zone)

    def _asked(self, span: Span, size: int) -> tuple[datetime, datetime]:
        interval = span.interval or Interval(days=7)
        if span.start is not None:
            if span.start > FAR:
                raise InvalidRequest(("from", "must lie before the year 9998"))
            return span.start, span.end or self._end(span.start, span)
        end = span.end or self._clock.now()
        if end > FAR:
            raise InvalidRequest(("to", "must lie before the year 9998"))
        whole = end_of(end, size, span.zone) if interval.seconds else end
        return max(NEVER, back(whole, interval, span.zone)), end

    def _end(self, start: datetime, span: Span) -> datetime:
        if span.interval is None:
            return max(self._clock.now(), start + timedelta(seconds=1))
        try:
            local = start.astimezone(span.zone) + timedelta(days=span.interval.days)  # as the clock on the wall goes
            return min(FAR, local.astimezone(UTC) + timedelta(seconds=span.interval.seconds))
        except OverflowError:
            return FAR


def _check_number(start: datetime, end: datetime, bucket: str) -> None:
    number = (end - start) // timedelta(seconds=BUCKETS[bucket])
    if number > MAX_BUCKETS:
        raise InvalidRequest(
            ("bucket", f"makes {number} buckets, {MAX_BUCKETS} at most: ask for a shorter time or for larger buckets")
        )


def _shown(each: RollupSum, by: Group | None) -> str:
    if by is None:
        return ALL
    return OTHER if each.name is None else each.name or NONE_LABEL


def _series(sums: Iterable[tuple[str, int, RollupSum]], starts: Sequence[datetime]) -> list[Series]:
    """Those that made most first; somebody's channel may be called `other`, or `none`, itself."""
    points: dict[str, list[Moves]] = {}
    for name, place, each in sums:
        line = points.setdefault(name, [Moves()] * len(starts))
        line[place] = Moves(line[place].made + each.made, line[place].withdrawn + each.withdrawn)
    found = [Series(name, _added(line), line) for name, line in points.items()]
    return sorted(found, key=lambda each: (-each.sum.made, each.name))


def _added(all_of: Iterable[Moves]) -> Moves:
    made = withdrawn = 0
    for each in all_of:
        made += each.made
        withdrawn += each.withdrawn
    return Moves(made, withdrawn)
