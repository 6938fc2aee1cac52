"""The limit of `quota.py` for several processes, which lease writes in blocks from one shared window.

A process leases blocks of a user's writes, larger ones for busier users, so most writes need no request to the shared
window, and all processes taken as one never allow more than the limit. Leased writes that are not used are lost at the
end of the fixed window. If the shared window cannot be reached, each process uses a window of its own.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sharetally.ports.quota import Leases
from sharetally.web.auth.quota import MAX_USERS, LocalQuota, QuotaState, rate_limited

_LEASES_PER_LIMIT = 20  # a lease is at most the limit divided by this number


@dataclass(kw_only=True, slots=True)
class _Lease:
    granted: int = 0
    left: int = 0
    ends: float = 0.0
    unleased: int = 0
    refused_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedQuota:
    """Uses leased writes, and leases more when they are used up or their window is over."""

    def __init__(self, *, limit: int, window: int, leases: Leases, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window = window
        self._leases = leases
        self._now = now
        self._fallback = LocalQuota(limit=limit, window=window, now=now)
        self._leases_by_key: OrderedDict[str, _Lease] = OrderedDict()

    async def spend(self, key: str) -> QuotaState:
        """Count one write of this user, or raise `RateLimited`."""
        lease = self._leases_by_key.get(key)
        if lease is None:
            for _ in range(min(2, len(self._leases_by_key))):
                oldest = next(iter(self._leases_by_key.values()))
                if oldest.ends < self._now() or len(self._leases_by_key) >= MAX_USERS:
                    self._leases_by_key.popitem(last=False)
            lease = self._leases_by_key[key] = _Lease()
        self._leases_by_key.move_to_end(key)
        if not self._has_writes(lease):
            async with lease.lock:
                if not self._has_writes(lease) and not await self._renew(key, lease):
                    return await self._fallback.spend(key)
        lease.left -= 1
        reset = max(1, math.ceil(lease.ends - self._now()))
        remaining = lease.left + lease.unleased
        return QuotaState(limit=self._limit, remaining=remaining, reset=reset, window=self._window)

    def _has_writes(self, lease: _Lease) -> bool:
        now = self._now()
        if now < lease.refused_until:
            raise rate_limited(self._limit, self._window, lease.refused_until - now)
        return lease.left > 0 and now < lease.ends

    async def _renew(self, key: str, lease: _Lease) -> bool:
        """Lease twice as many writes as the last lease served; False if the shared window cannot be reached."""
        wanted = min(max(1, self._limit // _LEASES_PER_LIMIT), max(1, 2 * (lease.granted - lease.left)))
        grant = await self._leases.lease(key, wanted=wanted, limit=self._limit, window=self._window)
        if grant is None:
            return False
        now = self._now()
        lease.granted = lease.left = grant.granted
        lease.ends = now + (1 - grant.usage.elapsed) * self._window
        lease.unleased = grant.usage.free(self._limit)
        if not grant.granted:
            wait = grant.usage.wait(self._limit) * self._window
            lease.refused_until = now + wait
            raise rate_limited(self._limit, self._window, wait)
        return True
