"""Keeps callers away from a server that is down, and lets one of them find out when it is back.

`guarded_redis.py` has one for each thing that Redis is used for. It does not make the calls itself: its owner asks
`allows` before each call and reports how the call ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitBreaker:
    """Opens after `faults` failures in a row; then one caller per `pause` seconds may try until one succeeds."""

    def __init__(self, *, faults: int, pause: float = 2.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = faults
        self._pause = pause
        self._monotonic = monotonic
        self._faults = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it keeps callers away at present."""
        return self._faults >= self._limit

    def allows(self) -> bool:
        """Whether this caller may call; if its call never reports a result, another may try after the pause."""
        if not self.is_open:
            return True
        now = self._monotonic()
        if now < self._next_try:
            return False
        self._next_try = now + self._pause
        return True

    def record_success(self) -> None:
        """Close the breaker: every caller may call."""
        self._faults = 0

    def record_failure(self) -> None:
        """Count a failure; the pause starts with the latest one."""
        self._faults += 1
        self._next_try = self._monotonic() + self._pause
