"""The window of writes that several processes share.

`web/auth/shared_quota.py` leases writes from it in blocks; `adapters/quota_redis.py` keeps it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Usage(NamedTuple):
    """Writes in this fixed window and in the one before; `elapsed` is the part of this one that is over."""

    current: int
    before: int
    elapsed: float

    def free(self, limit: int) -> int:
        """Writes that may still be made just now."""
        return max(0, limit - math.floor(self.before * (1 - self.elapsed) + self.current))

    def wait(self, limit: int) -> float:
        """The part of a window until one write is free again, given that none is."""
        if self.current < limit:
            return 1 - (limit - self.current) / self.before - self.elapsed
        return 1 - self.elapsed + 1 - limit / self.current


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Writes that were granted, none if the limit is reached, and the usage after it."""

    granted: int
    usage: Usage


class Leases(Protocol):
    """The window that all processes share."""

    async def lease(self, key: str, *, wanted: int, limit: int, window: int) -> Grant | None:
        """Grant at most `wanted` writes; None if the shared window cannot be reached just now, never an error.

        A repeated call leases more writes.
        """
        ...
