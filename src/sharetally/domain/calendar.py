"""A period divided into quarter-hours, hours or days as the clocks of a time zone show them.

Rollups are stored by quarter of an hour in UTC. A `Grid` tells to which of its buckets each of them belongs. Between
two clock changes the zone's offset is constant, so within such an `OffsetPeriod` the bucket of a quarter-hour is a
division, which a database can do. A day on which the clocks change has 23 or 25 hours, or as many as the zone gave it;
an hour that occurs twice is two buckets; a day that the zone skipped is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sharetally.domain.count import EPOCH

BUCKET_SECONDS = {"15m": 900, "hour": 3_600, "day": 86_400}  # name -> seconds
DAY = BUCKET_SECONDS["day"]
_SCAN_STEP = timedelta(hours=12)  # no zone has ever changed its clocks twice within this time
_SECOND = timedelta(seconds=1)
_SHORT = re.compile(r"(?P<n>[1-9][0-9]{0,3})(?P<unit>[mhdw])")
_ISO = re.compile(r"P(?:(?P<days>[1-9][0-9]{0,3})(?P<dw>[DW])|T(?P<times>[1-9][0-9]{0,3})(?P<mh>[MH]))")


def find_zone(name: str) -> ZoneInfo | None:
    """The IANA time zone with this name, like `Europe/Berlin`; None if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a valid name; the name of a folder
        return None


class Interval(NamedTuple):
    """A length of time, either in calendar days of a zone or in seconds."""

    days: int = 0
    seconds: int = 0


def parse_interval(text: str) -> Interval | None:
    """Parse texts like `7d`, `P7D`, `24h`, `PT24H`, `90m` or `2w`; None for anything else."""
    short, iso = _SHORT.fullmatch(text), _ISO.fullmatch(text)
    if short:
        number, unit = int(short["n"]), short["unit"]
    elif iso:
        number, unit = int(iso["days"] or iso["times"]), (iso["dw"] or iso["mh"]).lower()
    else:
        return None
    match unit:
        case "d":
            return Interval(days=number)
        case "w":
            return Interval(days=7 * number)
        case "h":
            return Interval(seconds=3_600 * number)
        case _:
            return Interval(seconds=60 * number)


def start_of_bucket(at: datetime, size: int, zone: ZoneInfo) -> datetime:
    """The start of the bucket of `size` seconds that contains `at`; UTC, like all times here."""
    at = _truncate_to_second(at)
    if size == DAY:
        return _midnight(_local_date(at, zone), zone)
    start = at - _time_into_bucket(at, size, zone)
    return max((start, *_offset_changes(zone, start, at)))


def next_bucket_start(at: datetime, size: int, zone: ZoneInfo) -> datetime:
    """The first start of a bucket that is not before `at`."""
    if start_of_bucket(at, size, zone) == at:
        return at
    if size == DAY:
        following = (_midnight(_local_date(at, zone) + timedelta(days=days), zone) for days in (1, 2))
        return next(each for each in following if each > at)  # a skipped day begins when the next one does
    second = _truncate_to_second(at)
    end = second - _time_into_bucket(second, size, zone) + timedelta(seconds=size)
    return min((end, *_offset_changes(zone, second, end)))


def subtract_interval(end: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """The start of an interval that ends at `end`; if it is in days, the day that contains its end is the last one."""
    if not interval.days:
        return end - timedelta(seconds=interval.seconds)
    return _midnight(_local_date(end - _SECOND, zone) - timedelta(days=interval.days - 1), zone)


class OffsetPeriod(NamedTuple):
    """A period, without its end, in which the zone is always `offset` seconds ahead of UTC."""

    start: datetime
    end: datetime
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """All buckets of a period; `starts` holds their starts in order, and `size` is in seconds."""

    size: int
    periods: tuple[OffsetPeriod, ...]
    starts: tuple[datetime, ...]
    _indexes: dict[tuple[int, int], int] = field(repr=False)

    def index_of(self, period: int, bucket_number: int) -> int:
        """The index in `starts` of the bucket of an offset period with this number (see `bucket_numbers`)."""
        return self._indexes[period, bucket_number]


def bucket_numbers(period: OffsetPeriod, size: int) -> range:
    """The numbers of the buckets of an offset period: (seconds since 1970 + offset) divided by their size."""
    first, last = (int((at - EPOCH).total_seconds()) + period.offset for at in (period.start, period.end - _SECOND))
    return range(first // size, last // size + 1)


def build_grid(start: datetime, end: datetime, size: int, zone: ZoneInfo) -> Grid:
    """The buckets from `start` to `end`, both of which must be starts of buckets."""
    edges = [start, *_offset_changes(zone, start, end - _SECOND), end]
    periods = tuple(OffsetPeriod(*each, offset=_offset(each[0], zone)) for each in pairwise(edges))
    starts: list[datetime] = []
    indexes: dict[tuple[int, int], int] = {}
    last: int | None = None
    for index, period in enumerate(periods):
        for bucket_number in bucket_numbers(period, size):
            if size != DAY or bucket_number != last:  # a day continues when the clocks change; an hour does not
                bucket_start = EPOCH + timedelta(seconds=bucket_number * size - period.offset)
                starts.append(max(bucket_start, period.start))
            indexes[index, bucket_number] = len(starts) - 1
            last = bucket_number
    return Grid(size=size, periods=periods, starts=tuple(starts), _indexes=indexes)


def _offset_changes(zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """The times, to the second, at which the zone's offset changes, later than `after`."""
    found = []
    while after < until:
        step = min(after + _SCAN_STEP, until)
        if _offset(after, zone) != _offset(step, zone):
            found.append(_find_offset_change(zone, after, step))
        after = step
    return found


def _find_offset_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Search by bisection; `after` already has the new offset."""
    old = _offset(before, zone)
    while after - before > _SECOND:
        middle = _truncate_to_second(before + (after - before) / 2)
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _truncate_to_second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _offset(at: datetime, zone: tzinfo) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _time_into_bucket(at: datetime, size: int, zone: ZoneInfo) -> timedelta:
    return (at - EPOCH + timedelta(seconds=_offset(at, zone))) % timedelta(seconds=size)


def _local_date(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The start of a day: the first midnight if it occurs twice, and the time after the gap if it was skipped."""
    return datetime.combine(day, time(), zone).astimezone(EPOCH.tzinfo)
