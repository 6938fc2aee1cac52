"""Activity: the shares made, by minute and channel. It is for live charts; counts are in `count.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sharetally.domain.content import NONE_LABEL
from sharetally.domain.count import EPOCH
from sharetally.domain.event import Event

MINUTE = timedelta(minutes=1)


class MinuteCount(NamedTuple):
    """The shares made in one minute on one channel; `minute` is its start, UTC."""

    minute: datetime
    channel: str
    shares: int


def count_by_minute(events: Iterable[Event]) -> Sequence[MinuteCount]:
    """The shares that these events report as made; moves and withdrawals do not count."""
    found: Counter[tuple[datetime, str]] = Counter()
    for event in events:
        if event.to is not None and event.origin is None and event.cell_delta > 0:
            found[start_of_minute(event.at), event.to.channel or NONE_LABEL] += event.cell_delta
    return tuple(
        MinuteCount(minute=at, channel=channel, shares=shares) for (at, channel), shares in sorted(found.items())
    )


def start_of_minute(at: datetime) -> datetime:
    """The start of the minute to which a point in time belongs."""
    return at - (at - EPOCH) % MINUTE
