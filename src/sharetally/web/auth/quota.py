"""Limits how many writes a user may make, counted by one process in a sliding window.

It is checked after authentication and before the write. The sliding window is approximated by two fixed windows: the
current counter plus the previous one, weighted by the part that the sliding window still covers. This takes constant
memory per user and a microsecond per write. `shared_quota.py` does the same for several processes.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from sharetally.domain.errors import RateLimited
from sharetally.ports.quota import Usage

MAX_USERS = 100_000
HeaderFields: TypeAlias = tuple[tuple[str, str], ...]  # of a response; names are lower case


class QuotaState(NamedTuple):
    """The state after a write: `remaining` of `limit` writes are left; `reset` and `window` are in seconds."""

    limit: int
    remaining: int
    reset: int
    window: int


class Quota(Protocol):
    """Counts the writes of each user."""

    async def spend(self, key: str) -> QuotaState | None:
        """Count one write of this user, or raise `RateLimited`; returns None if writes are not limited."""
        ...


def rate_limit_fields(state: QuotaState) -> HeaderFields:
    """The header fields of draft-ietf-httpapi-ratelimit-headers for a response."""
    return (
        ("ratelimit", f'"writes";r={state.remaining};t={state.reset}'),
        ("ratelimit-policy", f'"writes";q={state.limit};w={state.window}'),
    )


def rate_limited_fields(rate_limited: RateLimited) -> HeaderFields:
    """The header fields of a 429 response, including `Retry-After`."""
    state = QuotaState(
        limit=rate_limited.limit, remaining=0, reset=rate_limited.retry_after, window=rate_limited.window
    )
    return (("retry-after", str(rate_limited.retry_after)), *rate_limit_fields(state))


class UnlimitedQuota:
    """Limits nothing and counts nothing."""

    async def spend(self, key: str) -> None:
        """Allow the write."""


@dataclass(kw_only=True, slots=True)
class _Window:
    index: int
    current: int = 0
    before: int = 0


class LocalQuota:
    """The window of one process; beyond `capacity` users, those that were idle longest are forgotten."""

    def __init__(
        self, *, limit: int, window: int, now: Callable[[], float] = time.monotonic, capacity: int = MAX_USERS
    ) -> None:
        self._limit = limit
        self._window = window
        self._now = now
        self._capacity = capacity
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    async def spend(self, key: str) -> QuotaState:
        """Count one write of this user, or raise `RateLimited`."""
        number, seconds = divmod(self._now(), self._window)
        index, user_window = int(number), self._windows.get(key)
        if user_window is None:
            # evicting up to two users for each new one shrinks the table without a separate clean-up
            for _ in range(min(2, len(self._windows))):
                oldest = next(iter(self._windows.values()))
                if oldest.index < index - 1 or len(self._windows) >= self._capacity:
                    self._windows.popitem(last=False)
            user_window = self._windows[key] = _Window(index=index)
        elif user_window.index != index:
            user_window.before = user_window.current if user_window.index == index - 1 else 0
            user_window.index, user_window.current = index, 0
        self._windows.move_to_end(key)
        usage = Usage(current=user_window.current, before=user_window.before, elapsed=seconds / self._window)
        free = usage.free(self._limit)
        if not free:
            raise rate_limited(self._limit, self._window, usage.wait(self._limit) * self._window)
        user_window.current += 1
        reset = math.ceil(self._window - seconds)
        return QuotaState(limit=self._limit, remaining=free - 1, reset=reset, window=self._window)


def rate_limited(limit: int, window: int, wait: float) -> RateLimited:
    """The error; its whole seconds are rounded up, so that one more write is certainly allowed afterwards."""
    return RateLimited(retry_after=max(1, math.floor(wait + 0.001) + 1), limit=limit, window=window)
