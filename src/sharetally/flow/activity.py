"""The last hour, minute by minute and channel by channel, as this process heard of it.

It is what a chart that moves is drawn from. It is not a count: what was announced while nobody listened, or got
lost on the way, is missing here, and nowhere else.
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
MAX_CHANNELS = 1000  # in one minute; the rest is `other`


class Activity:
    """Absolute numbers; a topic of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minutes: dict[datetime, Counter[str]] = {}
        self._changed: dict[tuple[datetime, str], None] = {}
        self._order = 0
        self.topic = Topic(interval=INTERVAL, snapshot=self._snapshot, delta=self._delta)

    def add(self, minute_counts: Sequence[MinuteCount]) -> None:
        """Add what was made; what is older than an hour is no news."""
        now = self._clock.now()
        for each in minute_counts:
            if now - RETENTION < each.minute <= now + MINUTE:
                self._add(each)
        self._drop_old_minutes()
        if self._changed:
            self._order += 1
            self.topic.changed()

    def _add(self, each: MinuteCount) -> None:
        channels = self._minutes.setdefault(each.minute, Counter())
        channel = each.channel if each.channel in channels or len(channels) < MAX_CHANNELS else "other"
        channels[channel] += each.shares
        self._changed[each.minute, channel] = None

    def _drop_old_minutes(self) -> None:
        oldest = start_of_minute(self._clock.now()) - RETENTION
        for old in [each for each in self._minutes if each <= oldest]:
            del self._minutes[old]

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
