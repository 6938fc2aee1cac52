"""A stretch of time cut into quarters, hours or days as a time zone's clocks show them.

Rollups are kept by quarters of an hour in UTC. A `Grid` says which of its buckets each of them belongs to:
the zone's offset is constant between two changes of its clocks, so within such a `OffsetPeriod` a quarter's bucket
is a division, which a database can do. A day on which the clocks change has 23 or 25 hours, or whatever they
did; an hour that comes twice is two buckets; a day that a zone left out is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sharetally.domain.count import EPOCH

BUCKET_SECONDS = {"15m": 900, "hour": 3_600, "day": 86_400}  # name -> seconds
DAY = BUCKET_SECONDS["day"]
_SCAN_STEP = timedelta(hours=12)  # no zone changed its clocks twice within that
_SECOND = timedelta(seconds=1)
_SHORT = re.compile(r"(?P<n>[1-9][0-9]{0,3})(?P<unit>[mhdw])")
_ISO = re.compile(r"P(?:(?P<days>[1-9][0-9]{0,3})(?P<dw>[DW])|T(?P<times>[1-9][0-9]{0,3})(?P<mh>[MH]))")


def find_zone(name: str) -> ZoneInfo | None:
    """The IANA time zone with this name, like `Europe/Berlin`; None if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name at all; the name of a folder
        return None


class Interval(NamedTuple):
    """A length of time: calendar days of a zone, or seconds."""

    days: int = 0
    seconds: int = 0


def parse_interval(text: str) -> Interval | None:
    """What `7d`, `P7D`, `24h`, `PT24H`, `90m` or `2w` says; None for anything else."""
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
    """When the bucket of so many seconds began that a moment lies in; UTC, as all moments here."""
    at = _truncate_to_second(at)
    if size == DAY:
        return _midnight(_local_date(at, zone), zone)
    begin = at - _time_into_bucket(at, size, zone)
    return max((begin, *_offset_changes(zone, begin, at)))


def next_bucket_start(at: datetime, size: int, zone: ZoneInfo) -> datetime:
    """The next moment from this one on, itself included, at which a bucket begins."""
    if start_of_bucket(at, size, zone) == at:
        return at
    if size == DAY:
        following = (_midnight(_local_date(at, zone) + timedelta(days=ahead), zone) for ahead in (1, 2))
        return next(each for each in following if each > at)  # a day that was left out begins where the next one does
    whole = _truncate_to_second(at)
    end = whole - _time_into_bucket(whole, size, zone) + timedelta(seconds=size)
    return min((end, *_offset_changes(zone, whole, end)))


def subtract_interval(end: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """When what ends then began; of days the one in which it ends is the last, however late it is."""
    if not interval.days:
        return end - timedelta(seconds=interval.seconds)
    return _midnight(_local_date(end - _SECOND, zone) - timedelta(days=interval.days - 1), zone)


class OffsetPeriod(NamedTuple):
    """A time, its end excluded, in which the zone is constantly so many seconds ahead of UTC."""

    start: datetime
    end: datetime
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Every bucket of a time; `starts` are their begins, in order, and `size` is in seconds."""

    size: int
    periods: tuple[OffsetPeriod, ...]
    starts: tuple[datetime, ...]
    _indexes: dict[tuple[int, int], int] = field(repr=False)

    def index_of(self, period: int, bucket_number: int) -> int:
        """The place in `starts` of a stretch's bucket with this number (see `bucket_numbers`)."""
        return self._indexes[period, bucket_number]


def bucket_numbers(period: OffsetPeriod, size: int) -> range:
    """The buckets of a stretch: (seconds since 1970 + offset) divided by their size."""
    first, last = (int((at - EPOCH).total_seconds()) + period.offset for at in (period.start, period.end - _SECOND))
    return range(first // size, last // size + 1)


def build_grid(start: datetime, end: datetime, size: int, zone: ZoneInfo) -> Grid:
    """The buckets from `start` to `end`, both of which must be begins of buckets."""
    periods = tuple(_offset_periods(start, end, zone))
    starts: list[datetime] = []
    indexes: dict[tuple[int, int], int] = {}
    last: int | None = None
    for index, period in enumerate(periods):
        for bucket_number in bucket_numbers(period, size):
            if size != DAY or bucket_number != last:  # a day goes on when the clocks change; an hour does not
                begin = EPOCH + timedelta(seconds=bucket_number * size - period.offset)
                starts.append(max(begin, period.start))
            indexes[index, bucket_number] = len(starts) - 1
            last = bucket_number
    return Grid(size=size, periods=periods, starts=tuple(starts), _indexes=indexes)


def _offset_periods(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[OffsetPeriod]:
    for change in (*_offset_changes(zone, start, end - _SECOND), end):
        yield OffsetPeriod(start=start, end=change, offset=_offset(start, zone))
        start = change


def _offset_changes(zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """The moments at which the zone's offset changes, to the second, `after` excluded."""
    found = []
    while after < until:
        step = min(after + _SCAN_STEP, until)
        if _offset(after, zone) != _offset(step, zone):
            found.append(_find_offset_change(zone, after, step))
        after = step
    return found


def _find_offset_change(zone: ZoneInfo, before: datetime, then: datetime) -> datetime:
    old = _offset(before, zone)
    while then - before > _SECOND:
        middle = _truncate_to_second(before + (then - before) / 2)
        before, then = (middle, then) if _offset(middle, zone) == old else (before, middle)
    return then


def _truncate_to_second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _offset(at: datetime, zone: tzinfo) -> int:
    ahead = at.astimezone(zone).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds())


def _time_into_bucket(at: datetime, size: int, zone: ZoneInfo) -> timedelta:
    return (at - EPOCH + timedelta(seconds=_offset(at, zone))) % timedelta(seconds=size)


def _local_date(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins; of a midnight that comes twice it is the first, of one that is left out what came instead."""
    return datetime.combine(day, time(), zone).astimezone(EPOCH.tzinfo)
