"""The shares of the last hour by minute and channel, as far as this process has received them.

Live charts are drawn from it. It is not a count: shares that were announced while this process was not connected to
the channel, or whose announcement was lost, are missing here; every count includes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sharetally.domain.activity import MINUTE, MinuteCount, start_of_minute
from sharetally.flow.subscriptions import Topic, Update
from sharetally.ports import Clock

RETENTION = timedelta(hours=1)
INTERVAL = 1.0  # seconds
MAX_CHANNELS = 1000  # in one minute; the rest is counted as `other`


class Activity:
    """Absolute numbers by minute and channel, which clients follow as one topic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minutes: dict[datetime, Counter[str]] = {}
        self._changed: dict[tuple[datetime, str], None] = {}
        self._order = 0
        self.topic = Topic(interval=INTERVAL, snapshot=self._snapshot, delta=self._delta)

    def add(self, minute_counts: Sequence[MinuteCount]) -> None:
        """Add shares; those of minutes more than an hour ago are ignored."""
        now = self._clock.now()
        for minute, channel, shares in minute_counts:
            if not now - RETENTION < minute <= now + MINUTE:
                continue
            channels = self._minutes.setdefault(minute, Counter())
            name = channel if channel in channels or len(channels) < MAX_CHANNELS else "other"
            channels[name] += shares
            self._changed[minute, name] = None
        self._drop_old_minutes()
        if self._changed:
            self._order += 1
            self.topic.changed()

    def _drop_old_minutes(self) -> None:
        oldest = start_of_minute(self._clock.now()) - RETENTION
        for minute in [each for each in self._minutes if each <= oldest]:
            del self._minutes[minute]

    def _snapshot(self) -> Update:
        self._drop_old_minutes()
        rows = ((at, channel) for at, channels in self._minutes.items() for channel in channels)
        return Update(self._order, self._rows(rows))

    def _delta(self) -> Update:
        changed, self._changed = self._changed, {}
        return Update(self._order, self._rows(changed))

    def _rows(self, wanted: Iterable[tuple[datetime, str]]) -> Sequence[MinuteCount]:
        return [
            MinuteCount(minute=at, channel=channel, shares=self._minutes[at][channel])
            for at, channel in sorted(wanted)
            if at in self._minutes
        ]
