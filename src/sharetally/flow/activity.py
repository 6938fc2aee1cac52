"""The last hour, minute by minute and channel by channel, as this process heard of it.

It is what a chart that moves is drawn from. It is not a count: what was announced while nobody listened, or got
lost on the way, is missing here, and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sharetally.domain.activity import MINUTE, Made, minute
from sharetally.flow.following import Topic, Update
from sharetally.ports import Clock

KEPT = timedelta(hours=1)
INTERVAL = 1.0  # seconds
CHANNELS = 1000  # in one minute; the rest is `other`


class Activity:
    """Absolute numbers; a topic of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minutes: dict[datetime, Counter[str]] = {}
        self._changed: dict[tuple[datetime, str], None] = {}
        self._order = 0
        self.topic = Topic(interval=INTERVAL, whole=self._whole, change=self._change)

    def heard(self, made: Sequence[Made]) -> None:
        """Add what was made; what is older than an hour is no news."""
        now = self._clock.now()
        for each in made:
            if now - KEPT < each.minute <= now + MINUTE:
                self._add(each)
        self._forget()
        if self._changed:
            self._order += 1
            self.topic.changed()

    def _add(self, each: Made) -> None:
        channels = self._minutes.setdefault(each.minute, Counter())
        channel = each.channel if each.channel in channels or len(channels) < CHANNELS else "other"
        channels[channel] += each.shares
        self._changed[each.minute, channel] = None

    def _forget(self) -> None:
        oldest = minute(self._clock.now()) - KEPT
        for old in [each for each in self._minutes if each <= oldest]:
            del self._minutes[old]

    def _whole(self) -> Update:
        self._forget()
        rows = ((at, channel) for at, channels in self._minutes.items() for channel in channels)
        return Update(self._order, self._rows(rows))

    def _change(self) -> Update:
        changed, self._changed = self._changed, {}
        return Update(self._order, self._rows(changed))

    def _rows(self, wanted: Iterable[tuple[datetime, str]]) -> Sequence[Made]:
        return [
            Made(minute=at, channel=channel, shares=self._minutes[at][channel])
            for at, channel in sorted(wanted)
            if at in self._minutes
        ]
