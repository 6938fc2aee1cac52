"""Pauses double up to the longest, and end after the last attempt."""

from __future__ import annotations

from itertools import islice

from sharetally.domain.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    assert list(islice(Backoff(first=0.5, longest=3), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_no_pause_follows_the_last_attempt() -> None:
    patience = Backoff(first=1, longest=60, attempts=3)
    assert [patience.delay(attempt) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, None, None]
    assert list(patience) == [1.0, 2.0]


def test_one_attempt_never_pauses() -> None:
    assert list(Backoff(first=1, longest=60, attempts=1)) == []


def test_without_a_limit_it_never_gives_up() -> None:
    assert Backoff(first=1, longest=60).delay(1_000_000) == 60.0
