"""Counts as they are shown: never negative, without zeros, the 50 largest values and `other`."""

from __future__ import annotations

from datetime import UTC, datetime

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count, to_count

VIDEO = ContentRef(type="video", id="abc")
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def channels(*cells: tuple[str, int]) -> dict[str, int]:
    stored = [("channel", value, shares) for value, shares in cells]
    return dict(to_count(VIDEO, 0, stored, 1, AT).channel)


def test_all_of_it() -> None:
    stored = [
        ("evidence", "link", 2),
        ("evidence", "declared", 1),
        ("channel", "twitter", 3),
        ("campaign", "summer", 3),
        ("platform", "twitter", 1),
    ]
    assert to_count(VIDEO, 3, stored, 7, AT) == Count(
        content=VIDEO,
        shares=3,
        evidence={"link": 2, "declared": 1},
        channel={"twitter": 3},
        campaign={"summer": 3},
        version=7,
        as_of=AT,
    )


def test_nothing_shared_yet() -> None:
    assert to_count(VIDEO, 0, [], 0, None) == Count(
        content=VIDEO, shares=0, evidence={}, channel={}, campaign={}, version=0, as_of=None
    )


def test_a_count_that_is_negative_for_a_moment_is_shown_as_zero() -> None:
    found = to_count(VIDEO, -1, [("evidence", "link", -1), ("channel", "", -1), ("campaign", "", -1)], 1, AT)
    assert found.shares == 0
    assert (found.evidence, found.channel, found.campaign) == ({}, {}, {})


def test_no_label_is_shown_as_none() -> None:
    assert channels(("", 4)) == {"none": 4}


def test_cells_at_zero_are_left_out() -> None:
    assert channels(("a", 0), ("b", 1)) == {"b": 1}


def test_fifty_are_shown_whole() -> None:
    cells = [(f"c{number:02}", 1) for number in range(50)]
    assert channels(*cells) == dict(cells)


def test_the_fifty_largest_and_other() -> None:
    cells = [(f"c{number:02}", 100 - number) for number in range(53)]
    found = channels(*reversed(cells))
    assert list(found.items()) == [*cells[:50], ("other", 50 + 49 + 48)]


def test_of_equals_the_first_by_name_are_shown() -> None:
    cells = [(f"c{number:02}", 1) for number in range(51)]
    assert "c49" in channels(*reversed(cells))
    assert "c50" not in channels(*reversed(cells))


def test_a_channel_that_is_called_other_is_not_lost_in_the_rest() -> None:
    cells = [("other", 1_000), *[(f"c{number:02}", 100) for number in range(51)]]
    found = channels(*cells)
    assert sum(found.values()) == 1_000 + 51 * 100
    assert found["other"] == 1_000 + 2 * 100


def test_evidence_is_never_cut() -> None:
    stored = [("evidence", f"e{number:02}", 1) for number in range(60)]
    assert len(to_count(VIDEO, 60, stored, 1, AT).evidence) == 60
