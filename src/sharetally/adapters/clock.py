"""The database's clock, without asking it each time.

The offset between its clock and our monotonic one is measured at the start and now and then; a host whose
own clock is a day off still writes right times.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sharetally.ports import EventStore


class DatabaseClock:
    """Knows the time once `measure` has run; before that it is this host's."""

    def __init__(self) -> None:
        self._base_time = datetime.now(UTC)
        self._measured_at = time.monotonic()

    async def measure(self, events: EventStore) -> None:
        """Ask the database; half of the way there and back is taken off."""
        before = time.monotonic()
        database_time = await events.now()
        after = time.monotonic()
        self._base_time, self._measured_at = database_time, (before + after) / 2

    @property
    def ahead(self) -> timedelta:
        """How far this host's clock is ahead of the database's."""
        return datetime.now(UTC) - self.now()

    def now(self) -> datetime:
        """UTC."""
        return self._base_time + timedelta(seconds=time.monotonic() - self._measured_at)
