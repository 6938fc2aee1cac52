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
def test_near_enough(hours: int) -> None:
    check_clock(timedelta(hours=hours))


@pytest.mark.parametrize(("hours", "way"), [(48, "ahead of"), (-48, "behind")])
def test_too_far(hours: int, way: str) -> None:
    with pytest.raises(ConfigurationError, match=f"48 hours {way} the database's: set it"):
        check_clock(timedelta(hours=hours))
