"""Ratios are computed pair by pair; their median is compared with the target."""

from __future__ import annotations

import pytest

from bench.row import Measurement, Outcome, Target, at_least, at_most
from bench.rows import choose, discover_rows
from tests.bench.sample_rows import measured, row


def test_the_ratio_is_the_median_of_the_pairs_not_of_the_sides() -> None:
    found = Measurement(ours=(10.0, 40.0, 90.0), theirs=(10.0, 10.0, 90.0))
    assert found.ratios == (1.0, 4.0, 1.0)
    assert found.ratio == 1.0
    assert found.spread == (1.0, 4.0)


@pytest.mark.parametrize(
    ("target", "ratio", "verdict"),
    [
        (at_least(5), 5.0, "met"),
        (at_least(5), 4.99, "not met"),
        (at_most(0.1), 0.1, "met"),
        (at_most(0.1), 0.11, "not met"),
        (None, 3.0, "reported"),
    ],
)
def test_a_target_has_a_sense(target: Target | None, ratio: float, verdict: str) -> None:
    assert measured((ratio,), (1.0,), target).verdict == verdict


def test_a_row_without_a_measurement_has_failed() -> None:
    assert Outcome(row=row(target=at_most(1)), measured=None, failed="RuntimeError: gone").verdict == "failed"


def test_rows_are_discovered_with_unique_names_and_positions() -> None:
    every = discover_rows()
    assert len({each.name for each in every}) == len({each.order for each in every}) == len(every) > 10
    assert [each.order for each in every] == sorted(each.order for each in every)


def test_long_rows_belong_to_the_full_benchmark_or_are_named() -> None:
    every = [row("short", order=1), row("long", order=2, full=True)]
    assert [each.name for each in choose(every, full=False, names=[])] == ["short"]
    assert [each.name for each in choose(every, full=True, names=[])] == ["short", "long"]
    assert [each.name for each in choose(every, full=False, names=["long"])] == ["long"]


def test_an_unknown_row_name_is_reported() -> None:
    with pytest.raises(ValueError, match="no such row: quick; choose from short"):
        choose([row("short")], full=False, names=["quick"])
