"""How long to wait before the next attempt, and when to give up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Pauses that double from `first` to at most `longest` seconds; without `attempts` there is no last one."""

    first: float
    longest: float
    attempts: int | None = None

    def delay(self, attempt: int) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) has failed, or None to give up."""
        if self.attempts is not None and attempt >= self.attempts:
            return None
        return float(min(self.longest, self.first * 2 ** min(attempt - 1, 30)))

    def __iter__(self) -> Iterator[float]:
        """The pauses, in order."""
        attempt = 1
        while (pause := self.delay(attempt)) is not None:
            yield pause
            attempt += 1
