"""How an attempt to post ends, as outcomes of its delivery.

The row of the post is the truth: what ends here is stored with it, in the transaction that stores the outcome of the
delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sharetally.domain.backoff import Backoff
from sharetally.domain.delivery import Done, Retry
from sharetally.domain.post import PauseScope, Posted, PostRejected

LOOKS = Backoff(first=20.0, longest=2 * 3600.0)  # between two looks for a post that may be there
DEFAULT_PAUSE = timedelta(minutes=15)  # where a platform does not say for how long
ENDED_VERSION_PAUSE = timedelta(hours=1)  # only another version ends it sooner
BEHIND_GATE = timedelta(minutes=1)  # a post behind a closed gate leaves at most this long after the gate opens


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished(Done):
    """It is certain what became of the post."""

    result: Posted | PostRejected


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelled(Done):
    """The post is not there, and its user does not want it any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted(Done):
    """The post was there and has been deleted; `failure` says why it could not be."""

    failure: PostRejected | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NotSent(Retry):
    """Nothing was published; the post waits. With `pause` its account sends nothing before then."""

    pause: PauseScope | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LookLater(Retry):
    """The post may be there; nothing is sent before a look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecided(Done):
    """Nobody could find out whether the post is there: a person decides, unless another delivery goes on looking."""


def look_later(reason: str, *, now: datetime, attempts: int) -> LookLater:
    """Look again after a pause that grows with the attempts."""
    return LookLater(reason=reason, at=now + timedelta(seconds=LOOKS.delay(attempts) or LOOKS.longest))
