"""Buckets of a time zone, compared with a model that asks the zone about every quarter of an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.domain.calendar import (
    BUCKET_SECONDS,
    DAY,
    Interval,
    build_grid,
    find_zone,
    next_bucket_start,
    parse_interval,
    start_of_bucket,
    subtract_interval,
)
from sharetally.domain.count import BUCKET, EPOCH, start_of_quarter_hour

ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "America/Sao_Paulo", "America/Havana"),
    *("Africa/Casablanca", "Asia/Beirut", "Africa/Monrovia", "Pacific/Kiritimati", "Asia/Pyongyang"),
]
moments = st.integers(min_value=0, max_value=int((datetime(2040, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _named(quarter: datetime, size: int, zone: ZoneInfo) -> tuple[object, ...]:
    """The bucket of a quarter of an hour as a wall clock shows it; an hour also by its offset."""
    wall = quarter.astimezone(zone)
    if size == DAY:
        return (wall.date(),)
    return ((wall.replace(tzinfo=None) - EPOCH.replace(tzinfo=None)) // timedelta(seconds=size), wall.utcoffset())


@given(
    moments, st.integers(min_value=0, max_value=200), st.sampled_from(sorted(BUCKET_SECONDS)), st.sampled_from(ZONES)
)
def test_every_quarter_hour_is_in_the_bucket_of_its_local_time(begin: int, long: int, name: str, key: str) -> None:
    size, zone = BUCKET_SECONDS[name], ZoneInfo(key)
    at = EPOCH + timedelta(seconds=begin)
    start, end = start_of_bucket(at, size, zone), next_bucket_start(at + timedelta(hours=long), size, zone)
    assert start <= at
    assert end >= at + timedelta(hours=long)
    found = build_grid(start, end, size, zone)
    assert list(found.starts) == sorted(set(found.starts))
    assert not found.starts or found.starts[0] == start
    expected: dict[tuple[object, ...], int] = {}
    quarter = (
        start_of_quarter_hour(start) if start_of_quarter_hour(start) >= start else start_of_quarter_hour(start) + BUCKET
    )
    while quarter < end:
        place = next(place for place, each in enumerate(found.periods) if each.start <= quarter < each.end)
        number = (int((quarter - EPOCH).total_seconds()) + found.periods[place].offset) // size
        bucket_of = found.index_of(place, number)
        assert expected.setdefault(_named(quarter, size, zone), bucket_of) == bucket_of
        assert found.starts[bucket_of] <= quarter
        quarter += BUCKET
    assert len(set(expected.values())) == len(expected)


@given(moments, st.sampled_from(sorted(BUCKET_SECONDS)), st.sampled_from(ZONES))
def test_bucket_bounds_are_idempotent(begin: int, name: str, key: str) -> None:
    size, zone = BUCKET_SECONDS[name], ZoneInfo(key)
    at = EPOCH + timedelta(seconds=begin, microseconds=begin % 1_000_000)
    start, end = start_of_bucket(at, size, zone), next_bucket_start(at, size, zone)
    assert start <= at <= end
    assert start_of_bucket(start, size, zone) == start == next_bucket_start(start, size, zone)
    assert start_of_bucket(end, size, zone) == end
    assert start_of_bucket(end - timedelta(microseconds=1), size, zone) == start_of_bucket(at, size, zone) or at == end


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
    assert len(build_grid(_utc(first), _utc(last), BUCKET_SECONDS[name], ZoneInfo(zone)).starts) == expected


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
    assert parse_interval(text) == expected


def test_an_interval_of_days_includes_the_current_day() -> None:
    berlin, now = ZoneInfo("Europe/Berlin"), _utc("2026-03-29T12:00+02:00")
    assert subtract_interval(now, Interval(days=1), berlin) == _utc("2026-03-29T00:00+01:00")
    assert subtract_interval(now, Interval(days=7), berlin) == _utc("2026-03-23T00:00+01:00")
    assert subtract_interval(_utc("2026-03-29T00:00+01:00"), Interval(days=1), berlin) == _utc("2026-03-28T00:00+01:00")
    assert subtract_interval(now, Interval(seconds=3_600), berlin) == _utc("2026-03-29T11:00+02:00")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe", "europe\0", "ü"])
def test_no_zone(name: str) -> None:
    assert find_zone(name) is None
