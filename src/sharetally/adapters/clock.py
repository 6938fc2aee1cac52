"""The time of the database's clock, without a query for each reading.

The offset between the database's clock and our monotonic clock is measured at the start and regularly after that, so
a host whose own clock is a day off still writes the right times.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sharetally.ports import EventStore


class DatabaseClock:
    """Tells the time of the database once `measure` has run, and the time of this host before."""

    def __init__(self) -> None:
        self._base_time = datetime.now(UTC)
        self._measured_at = time.monotonic()

    async def measure(self, events: EventStore) -> None:
        """Read the database's clock and assume that it was read halfway through the round trip."""
        before = time.monotonic()
        database_time = await events.now()
        after = time.monotonic()
        self._base_time, self._measured_at = database_time, (before + after) / 2

    @property
    def ahead(self) -> timedelta:
        """By how much this host's clock is ahead of the database's clock."""
        return datetime.now(UTC) - self.now()

    def now(self) -> datetime:
        """The current time in UTC."""
        return self._base_time + timedelta(seconds=time.monotonic() - self._measured_at)
