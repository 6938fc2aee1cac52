"""A delivery: one message that leaves for one target outside, and how an attempt to deliver it can end.

Events are counted many at a time inside the database. A delivery is the opposite: one at a time, slow, due later,
retried for days, and its target may be dead. A handler returns an `Outcome`, which is a closed set; `conclude`
turns it into what is stored, and decides when the attempts have run out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from sharetally.domain.backoff import Backoff

MAX_PAYLOAD = 65_535  # bytes: a TEXT column of every database can hold this much
MAX_ERROR = 500  # characters
RETRIES = Backoff(first=5.0, longest=6 * 3600.0, attempts=20)  # about two days in all


class DeliveryState(StrEnum):
    """The state of a delivery; one that is finished has moved to the log."""

    WAITING = "waiting"
    SENDING = "sending"
    DEAD = "dead"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One message for one target.

    `key` is unique within kind and target: the same fact goes to the same target once. `attempts` counts every
    attempt that was begun, and distinguishes a late outcome from that of the newest attempt. `pauses` counts those
    that ended because the target pauses. `payload` is JSON.
    """

    id: UUID
    kind: str
    target: str
    key: str
    payload: str
    state: DeliveryState
    due_at: datetime
    attempts: int
    created_at: datetime
    last_error: str | None = None
    pauses: int = 0

    @property
    def tries(self) -> int:
        """The attempts that count towards giving up: all but the pauses, however many those are."""
        return self.attempts - self.pauses


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The message has arrived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Try again at this time; without a time the backoff decides, and the last attempt leaves the delivery dead.

    With `is_pause` the target itself has asked for the pause, so that the attempt does not count as one that failed.
    """

    reason: str
    at: datetime | None = None
    is_pause: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Dead:
    """The message can never arrive as it is; a person replays or discards it."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """The message may have arrived. It is not sent again before somebody has checked, which is due at `look_at`."""

    reason: str
    look_at: datetime | None = None


Outcome: TypeAlias = Done | Retry | Dead | Unknown


def conclude(outcome: Outcome, *, attempts: int, now: datetime, retries: Backoff, jitter: float) -> Outcome:
    """The outcome with every decision made: a `Retry` has its time, or is `Dead` because its attempts ran out.

    `jitter` in [0, 1) shortens the pause by up to a half, so that joint failures are not retried at once.
    """
    if not isinstance(outcome, Retry) or outcome.at is not None:
        return outcome
    pause = retries.delay(attempts)
    if pause is None:
        return Dead(reason=outcome.reason)
    return Retry(reason=outcome.reason, at=now + timedelta(seconds=pause * (1 - jitter / 2)))
