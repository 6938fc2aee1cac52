"""What is going on: shares made, by minute and channel. For charts that move; counts are `count.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sharetally.domain.content import NONE_LABEL
from sharetally.domain.count import NEVER
from sharetally.domain.event import Event

MINUTE = timedelta(minutes=1)


class Made(NamedTuple):
    """Shares made in one minute on one channel; `minute` is when it began, UTC."""

    minute: datetime
    channel: str
    shares: int


def made(events: Iterable[Event]) -> Sequence[Made]:
    """What these events say was made; moves and withdrawals make nothing."""
    found: Counter[tuple[datetime, str]] = Counter()
    for event in events:
        if event.to is not None and event.origin is None and event.moved > 0:
            found[minute(event.at), event.to.channel or NONE_LABEL] += event.moved
    return tuple(Made(minute=at, channel=channel, shares=shares) for (at, channel), shares in sorted(found.items()))


def minute(at: datetime) -> datetime:
    """The minute that a moment belongs to."""
    return at - (at - NEVER) % MINUTE
