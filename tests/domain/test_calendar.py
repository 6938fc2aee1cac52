"""Buckets of a time zone: against a model that asks the zone of every quarter of an hour by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.domain.calendar import BUCKETS, DAY, Interval, back, begin_of, end_of, grid, interval_of, zone_of
from sharetally.domain.count import BUCKET, NEVER, bucket

ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "America/Sao_Paulo", "America/Havana"),
    *("Africa/Casablanca", "Asia/Beirut", "Africa/Monrovia", "Pacific/Kiritimati", "Asia/Pyongyang"),
]
moments = st.integers(min_value=0, max_value=int((datetime(2040, 1, 1, tzinfo=UTC) - NEVER).total_seconds()))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _named(quarter: datetime, size: int, zone: ZoneInfo) -> tuple[object, ...]:
    """What the clock on the wall says of the bucket that a quarter lies in; an hour also by its offset."""
    wall = quarter.astimezone(zone)
    if size == DAY:
        return (wall.date(),)
    return ((wall.replace(tzinfo=None) - NEVER.replace(tzinfo=None)) // timedelta(seconds=size), wall.utcoffset())


@given(moments, st.integers(min_value=0, max_value=200), st.sampled_from(sorted(BUCKETS)), st.sampled_from(ZONES))
def test_every_quarter_lies_in_the_bucket_that_the_wall_says(begin: int, long: int, name: str, key: str) -> None:
    size, zone = BUCKETS[name], ZoneInfo(key)
    at = NEVER + timedelta(seconds=begin)
    start, end = begin_of(at, size, zone), end_of(at + timedelta(hours=long), size, zone)
    assert start <= at
    assert end >= at + timedelta(hours=long)
    found = grid(start, end, size, zone)
    assert list(found.starts) == sorted(set(found.starts))
    assert not found.starts or found.starts[0] == start
    expected: dict[tuple[object, ...], int] = {}
    quarter = bucket(start) if bucket(start) >= start else bucket(start) + BUCKET
    while quarter < end:
        place = next(place for place, each in enumerate(found.stretches) if each.start <= quarter < each.end)
        number = (int((quarter - NEVER).total_seconds()) + found.stretches[place].offset) // size
        bucket_of = found.place(place, number)
        assert expected.setdefault(_named(quarter, size, zone), bucket_of) == bucket_of
        assert found.starts[bucket_of] <= quarter
        quarter += BUCKET
    assert len(set(expected.values())) == len(expected)


@given(moments, st.sampled_from(sorted(BUCKETS)), st.sampled_from(ZONES))
def test_a_begin_is_a_begin(begin: int, name: str, key: str) -> None:
    size, zone = BUCKETS[name], ZoneInfo(key)
    at = NEVER + timedelta(seconds=begin, microseconds=begin % 1_000_000)
    start, end = begin_of(at, size, zone), end_of(at, size, zone)
    assert start <= at <= end
    assert begin_of(start, size, zone) == start == end_of(start, size, zone)
    assert begin_of(end, size, zone) == end
    assert begin_of(end - timedelta(microseconds=1), size, zone) == begin_of(at, size, zone) or at == end


@pytest.mark.parametrize(
    ("zone", "first", "last", "name", "expected"),
    [
        ("Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", "hour", 23),
        ("Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", "hour", 25),
        ("Europe/Berlin", "2026-10-24T00:00+02:00", "2026-10-27T00:00+01:00", "day", 3),
        ("Australia/Lord_Howe", "2026-04-05T00:00+11:00", "2026-04-06T00:00+10:30", "15m", 98),
        ("Pacific/Apia", "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00", "day", 2),  # there was no 30th
        ("Asia/Kathmandu", "2026-01-01T00:00+05:45", "2026-01-02T00:00+05:45", "hour", 24),
        ("America/Sao_Paulo", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00", "day", 1),  # no midnight
    ],
)
def test_days_on_which_the_clocks_change(zone: str, first: str, last: str, name: str, expected: int) -> None:
    assert len(grid(_utc(first), _utc(last), BUCKETS[name], ZoneInfo(zone)).starts) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", Interval(days=7)),
        ("P7D", Interval(days=7)),
        ("2w", Interval(days=14)),
        ("P2W", Interval(days=14)),
        ("24h", Interval(seconds=86_400)),
        ("PT24H", Interval(seconds=86_400)),
        ("90m", Interval(seconds=5_400)),
        ("PT90M", Interval(seconds=5_400)),
        *((text, None) for text in ("", "0d", "7", "d", "7D", "-7d", "P7M", "P", "PT", "10000d", "7d ", "1.5h", "٧d")),
    ],
)
def test_an_interval(text: str, expected: Interval | None) -> None:
    assert interval_of(text) == expected


def test_days_end_with_the_one_that_is() -> None:
    berlin, now = ZoneInfo("Europe/Berlin"), _utc("2026-03-29T12:00+02:00")
    assert back(now, Interval(days=1), berlin) == _utc("2026-03-29T00:00+01:00")
    assert back(now, Interval(days=7), berlin) == _utc("2026-03-23T00:00+01:00")
    assert back(_utc("2026-03-29T00:00+01:00"), Interval(days=1), berlin) == _utc("2026-03-28T00:00+01:00")
    assert back(now, Interval(seconds=3_600), berlin) == _utc("2026-03-29T11:00+02:00")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe", "europe\0", "ü"])
def test_no_zone(name: str) -> None:
    assert zone_of(name) is None
