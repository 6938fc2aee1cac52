"""Folding events: five thousand on one content item are one change, whatever their order and batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharetally.domain.content import ContentRef
from sharetally.domain.count import CountChange, fold, start_of_quarter_hour
from sharetally.domain.event import Cell, Event, Job

VIDEO, ARTICLE = ContentRef(type="video", id="abc"), ContentRef(type="article", id="abc")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DECLARED = Cell(evidence="declared", channel="twitter", campaign="")
POSTED = Cell(evidence="posted", channel="twitter", campaign="")
LINK = Cell(evidence="link", channel="", campaign="summer")
QUARTER = timedelta(minutes=15)


def event(
    *,
    delta: int = 0,
    moved: int | None = None,
    to: Cell | None = DECLARED,
    origin: Cell | None = None,
    at: datetime = NOON,
    platform: str | None = None,
    content: ContentRef = VIDEO,
) -> Event:
    return Event(
        id=UUID(int=1),
        job=Job.SHARE_UPDATED,
        content=content,
        at=at,
        delta=delta,
        cell_delta=delta if moved is None else moved,
        to=to,
        origin=origin,
        platform=platform,
    )


def move(origin: Cell, to: Cell, at: datetime = NOON) -> Event:
    return event(moved=1, to=to, origin=origin, at=at)


# by example


def test_a_share_moves_the_total_and_its_cells() -> None:
    change = fold([event(delta=1, platform="twitter")])[VIDEO]
    assert change.delta == 1
    assert change.cells == {
        ("platform", "twitter"): 1,
        ("evidence", "declared"): 1,
        ("channel", "twitter"): 1,
        ("campaign", ""): 1,
    }
    assert change.last_shared == {"twitter": NOON}
    assert change.rollups == {("twitter", "declared", NOON): [1, 0]}


def test_a_withdrawal_subtracts_and_keeps_the_time_of_the_last_share() -> None:
    change = fold([event(delta=-1, platform="twitter")])[VIDEO]
    assert change.delta == -1
    assert change.cells[("platform", "twitter")] == -1
    assert change.last_shared == {}
    assert change.rollups == {("twitter", "declared", NOON): [0, 1]}


def test_a_move_leaves_the_total_alone() -> None:
    change = fold([move(DECLARED, POSTED)])[VIDEO]
    assert change.delta == 0
    assert change.cells[("evidence", "declared")] == -1
    assert change.cells[("evidence", "posted")] == 1
    assert change.cells[("channel", "twitter")] == 0
    assert change.rollups == {("twitter", "declared", NOON): [-1, 0], ("twitter", "posted", NOON): [1, 0]}


def test_a_reshare_moves_only_the_time_it_was_last_shared() -> None:
    later = NOON + timedelta(hours=1)
    change = fold([event(platform="twitter", at=NOON), event(platform="twitter", at=later)])[VIDEO]
    assert change.delta == 0
    assert change.last_shared == {"twitter": later}
    assert change.rollups == {}


def test_an_adjustment_moves_by_its_amount() -> None:
    adjusted = Cell(evidence="adjusted", channel="", campaign="")
    change = fold([event(delta=-40, to=adjusted), event(delta=100, to=adjusted)])[VIDEO]
    assert change.delta == 60
    assert change.cells[("evidence", "adjusted")] == 60
    assert change.rollups == {("", "adjusted", NOON): [100, 40]}


def test_each_content_has_its_own_change() -> None:
    changes = fold([event(delta=1), event(delta=1, content=ARTICLE), event(delta=1)])
    assert {content: change.delta for content, change in changes.items()} == {VIDEO: 2, ARTICLE: 1}


def test_folding_no_events_gives_no_changes() -> None:
    assert fold([]) == {}


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        (NOON, NOON),
        (NOON + timedelta(microseconds=1), NOON),
        (NOON + QUARTER - timedelta(microseconds=1), NOON),
        (NOON + QUARTER, NOON + QUARTER),
        (NOON - timedelta(microseconds=1), NOON - QUARTER),
        (datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 11, 20, 23, 45, tzinfo=UTC)),
        (datetime(2024, 2, 29, 0, 44, 59, tzinfo=UTC), datetime(2024, 2, 29, 0, 30, tzinfo=UTC)),
        (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_quarter_begins_with_its_first_microsecond(at: datetime, begins: datetime) -> None:
    assert start_of_quarter_hour(at) == begins


# by law

cells = st.sampled_from([DECLARED, POSTED, LINK])
moments = st.integers(0, 3 * 900_000_000).map(lambda micros: NOON + timedelta(microseconds=micros))
contents = st.sampled_from([VIDEO, ARTICLE])
platforms = st.sampled_from([None, "twitter", "email"])
shares = st.builds(
    event, delta=st.sampled_from([1, -1, 7, -3]), to=cells, at=moments, platform=platforms, content=contents
)
moves = st.builds(event, moved=st.just(1), to=cells, origin=cells, at=moments, content=contents)
batches = st.lists(shares | moves, max_size=30)


def as_plain(changes: dict[ContentRef, CountChange]) -> dict[ContentRef, tuple[object, ...]]:
    """Changes in a comparable form: cells that sum up to nothing are left out."""
    return {
        content: (
            change.delta,
            {key: shares for key, shares in change.cells.items() if shares},
            change.last_shared,
            {key: tuple(sides) for key, sides in change.rollups.items() if any(sides)},
        )
        for content, change in changes.items()
    }


def merged(parts: Iterable[dict[ContentRef, CountChange]]) -> dict[ContentRef, CountChange]:
    """The result in a database of changes that follow one another."""
    found: dict[ContentRef, CountChange] = {}
    for part in parts:
        for content, change in part.items():
            _add(found.setdefault(content, CountChange()), change)
    return found


def _add(into: CountChange, change: CountChange) -> None:
    into.delta += change.delta
    into.cells = _sums(into.cells, change.cells)
    for platform, at in change.last_shared.items():
        into.last_shared[platform] = max(at, into.last_shared.get(platform, at))
    for key, (made, withdrawn) in change.rollups.items():
        sides = into.rollups.setdefault(key, [0, 0])
        sides[0] += made
        sides[1] += withdrawn


def _sums(one: dict[tuple[str, str], int], other: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


@given(batches.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_does_not_matter(orders: tuple[list[Event], list[Event]]) -> None:
    made, came = orders
    assert as_plain(fold(came)) == as_plain(fold(made))


@given(st.lists(batches, max_size=4))
def test_the_cut_into_batches_does_not_matter(parts: list[list[Event]]) -> None:
    whole = fold([each for part in parts for each in part])
    assert as_plain(merged(map(fold, parts))) == as_plain(whole)


@given(batches)
def test_every_dimension_sums_to_the_total(events: list[Event]) -> None:
    for change in fold(events).values():
        for dimension in ("evidence", "channel", "campaign"):
            assert sum(n for (name, _), n in change.cells.items() if name == dimension) == change.delta


@given(batches)
def test_buckets_sum_to_the_cells(events: list[Event]) -> None:
    for change in fold(events).values():
        by_channel: Counter[str] = Counter()
        for (channel, _, _), (made, withdrawn) in change.rollups.items():
            by_channel[channel] += made - withdrawn
        for (dimension, value), cell in change.cells.items():
            if dimension == "channel":
                assert by_channel[value] == cell


@given(st.lists(moves, max_size=30))
def test_moves_never_touch_a_total(events: list[Event]) -> None:
    assert all(change.delta == 0 for change in fold(events).values())
