"""Shares over time on every database, compared with a model that asks the time zone about each quarter of an hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.calendar import BUCKET_SECONDS, DAY, next_bucket_start, start_of_bucket
from sharetally.domain.content import ContentRef
from sharetally.domain.count import BUCKET, CountChange
from sharetally.flow.analytics import MAX_GROUPS, Analytics, Filter, TimeRange, Totals
from sharetally.ports import GroupBy, RollupFilter
from tests.contracts.database_rows import DATABASES, database_url_for, open_empty_database
from tests.web.manual_clock import ManualClock

pytestmark = pytest.mark.anyio
FIRST = datetime(2026, 3, 20, tzinfo=UTC)  # Berlin's clocks go forward on the 29th, Lord Howe's back on April 5th
DAYS = 20
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham")
CHANNELS = ("", "twitter", "newsletter", "none-of-them")
EVIDENCE = ("link", "declared", "adjusted")
Rollup = tuple[ContentRef, str, str, datetime, int, int]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


def random_rollups(rng: Random, number: int) -> list[Rollup]:
    """Rollups with keys of their own; the shares made can be negative where a link has moved away."""
    found: dict[tuple[ContentRef, str, str, datetime], Rollup] = {}
    for _ in range(number):
        content = ContentRef(type=rng.choice(("video", "article")), id=rng.choice("abc"))
        at = FIRST + rng.randrange(DAYS * 96) * BUCKET
        key = (content, rng.choice(CHANNELS), rng.choice(EVIDENCE), at)
        found[key] = (*key, rng.randrange(-3, 10), rng.randrange(4))
    return list(found.values())


async def insert_rollups(db: SqlDatabase, rollups: list[Rollup]) -> None:
    changes: dict[ContentRef, CountChange] = {}
    for content, channel, evidence, at, made, withdrawn in rollups:
        change = changes.setdefault(content, CountChange())
        change.rollups[channel, evidence, at] = [made, withdrawn]
        change.delta += made - withdrawn
    async with db.transaction() as tx:
        await tx.move(changes)


def local_bucket(quarter: datetime, bucket: str, zone: ZoneInfo) -> tuple[object, ...]:
    """The bucket of a quarter of an hour, as a wall clock shows it."""
    local = quarter.astimezone(zone)
    if BUCKET_SECONDS[bucket] == DAY:
        return (local.date(),)
    minutes = local.minute // 15 * 15 if bucket == "15m" else 0
    return (local.date(), local.hour, minutes, local.utcoffset())


def name_of(rollup: Rollup, by: GroupBy | None) -> str:
    content, channel, evidence, *_ = rollup
    match by:
        case GroupBy.CHANNEL:
            return channel or "none"
        case GroupBy.EVIDENCE:
            return evidence
        case GroupBy.CONTENT_TYPE:
            return content.type
        case None:
            return "all"


def random_filter(rng: Random) -> tuple[Filter, TimeRange, str, GroupBy | None]:
    """A query: any zone, any bucket, any period that overlaps the rollups, any filter."""
    start = FIRST + rng.randrange(-96, DAYS * 96) * timedelta(minutes=14)
    span = TimeRange(
        zone=ZoneInfo(rng.choice(ZONES)), start=start, end=start + rng.randrange(1, 300) * timedelta(minutes=37)
    )
    which = Filter(
        content_type=rng.choice((None, "video")),
        content_id=None,
        channel=rng.choice((None, None, "", "twitter")),
    )
    if which.content_type and rng.random() < 0.5:
        which = Filter(content_type="video", content_id="a", channel=which.channel)
    return which, span, rng.choice(sorted(BUCKET_SECONDS)), rng.choice((None, *GroupBy))


def matches(rollup: Rollup, which: Filter) -> bool:
    content, channel, *_ = rollup
    wanted = ((which.content_type, content.type), (which.content_id, content.id), (which.channel, channel))
    return all(value in (None, found) for value, found in wanted)


async def test_every_query_matches_the_model(db: SqlDatabase) -> None:
    rng = Random(4)
    rollups = random_rollups(rng, 800)
    await insert_rollups(db, rollups)
    analytics = Analytics(store=db.analytics, clock=ManualClock())
    for _ in range(40):
        which, span, bucket, by = random_filter(rng)
        found = await analytics.over_time(which, span, bucket=bucket, by=by)
        assert span.start is not None
        assert span.end is not None
        size = BUCKET_SECONDS[bucket]
        assert (found.start, found.end) == (
            start_of_bucket(span.start, size, span.zone),
            next_bucket_start(span.end, size, span.zone),
        )
        made, withdrawn = Counter[object](), Counter[object]()
        for rollup in rollups:
            *_, at, more, less = rollup
            if found.start <= at < found.end and matches(rollup, which):
                made[name_of(rollup, by), local_bucket(at, bucket, span.zone)] += more
                withdrawn[name_of(rollup, by), local_bucket(at, bucket, span.zone)] += less
        names = [local_bucket(start, bucket, span.zone) for start in found.starts]
        assert len(set(names)) == len(names)
        for series in found.series:
            for name, point in zip(names, series.points, strict=True):
                key = (series.name, name)
                assert point == Totals(made.pop(key, 0), withdrawn.pop(key, 0)), (which, span, bucket, by, key)
        assert not any(made.values())
        assert not any(withdrawn.values())
        assert found.total.shares == sum(point.shares for series in found.series for point in series.points)


async def test_top_is_the_sum_of_each_content(db: SqlDatabase) -> None:
    rollups = random_rollups(Random(5), 300)
    await insert_rollups(db, rollups)
    left = Counter[ContentRef]()
    start, end = FIRST + timedelta(days=3), FIRST + timedelta(days=9)
    for content, _, _, at, made, withdrawn in rollups:
        if start <= at < end:
            left[content] += made - withdrawn
    found = await db.analytics.top(RollupFilter(start=start, end=end), limit=100)
    assert {each.details.content: each.made - each.withdrawn for each in found} == left
    assert [each.made - each.withdrawn for each in found] == sorted(left.values(), reverse=True)
    assert [each.details.content for each in await db.analytics.top(RollupFilter(start=start, end=end), limit=2)] == [
        each.details.content for each in found[:2]
    ]


async def test_the_largest_groups_are_separate_and_the_others_are_summed(db: SqlDatabase) -> None:
    video = ContentRef(type="video", id="a")
    await insert_rollups(db, [(video, f"c{n:02}", "link", FIRST, n + 1, 0) for n in range(MAX_GROUPS + 5)])
    span = TimeRange(zone=ZoneInfo("UTC"), start=FIRST, end=FIRST + BUCKET)
    found = await Analytics(store=db.analytics, clock=ManualClock()).over_time(
        Filter(), span, bucket="15m", by=GroupBy.CHANNEL
    )
    made = {series.name: series.total.made for series in found.series}
    assert made == {f"c{n:02}": n + 1 for n in range(5, MAX_GROUPS + 5)} | {"other": 1 + 2 + 3 + 4 + 5}
    assert found.total.made == sum(range(MAX_GROUPS + 6))
