"""How an attempt ends: what is retried and when, and when the attempts have run out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import RETRIES, Dead, Done, Outcome, Retry, Unknown, conclude

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TWICE = Backoff(first=10.0, longest=60.0, attempts=3)


def concluded(outcome: Outcome, attempts: int, jitter: float = 0.0) -> Outcome:
    return conclude(outcome, attempts=attempts, now=NOW, retries=TWICE, jitter=jitter)


@pytest.mark.parametrize("outcome", [Done(), Dead(reason="gone"), Unknown(reason="no answer")])
def test_a_final_outcome_is_not_changed(outcome: Outcome) -> None:
    assert concluded(outcome, 99) is outcome


def test_the_backoff_decides_when_to_try_again_and_how_often() -> None:
    assert concluded(Retry(reason="503"), 1) == Retry(reason="503", at=NOW + timedelta(seconds=10))
    assert concluded(Retry(reason="503"), 2) == Retry(reason="503", at=NOW + timedelta(seconds=20))
    assert concluded(Retry(reason="503"), 3) == Dead(reason="503")


def test_a_time_that_the_target_named_is_kept_however_often() -> None:
    named = Retry(reason="429", at=NOW + timedelta(days=1))
    assert concluded(named, 99) is named


def test_jitter_shortens_a_pause_by_half_at_most() -> None:
    assert concluded(Retry(reason="503"), 1, jitter=1.0) == Retry(reason="503", at=NOW + timedelta(seconds=5))


def test_it_is_tried_for_about_two_days() -> None:
    assert timedelta(days=1) < timedelta(seconds=sum(RETRIES)) < timedelta(days=3)
