"""A host whose clock is nowhere near the database's does not start; one that is a day off does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sharetally.adapters.clock import DatabaseClock
from sharetally.domain.errors import ConfigurationError
from sharetally.wiring import check_clock


def test_a_clock_that_is_right_is_not_ahead() -> None:
    assert abs(DatabaseClock().ahead) < timedelta(seconds=1)


@pytest.mark.parametrize("hours", [0, 24, -24])
def test_a_clock_that_differs_by_a_day_at_most_is_accepted(hours: int) -> None:
    assert refusal(hours) is None


@pytest.mark.parametrize(("hours", "way"), [(48, "ahead of"), (-48, "behind")])
def test_a_clock_that_differs_by_two_days_is_refused(hours: int, way: str) -> None:
    assert f"48 hours {way} the database's: set it" in str(refusal(hours))


def refusal(hours: int) -> str | None:
    """The message with which a host is refused whose clock is ahead by this many hours; None if it may start."""
    try:
        check_clock(timedelta(hours=hours))
    except ConfigurationError as error:
        return str(error)
    return None
