"""The limit of `quota.py` for several processes: one window in Redis, leased in blocks.

A process leases writes of a user in blocks that grow with what it serves, so most writes ask nobody, and
all processes together never grant more than the limit. What is leased and not spent is lost at the end of
the fixed window. Whatever is wrong with Redis, writes go on under the process's own window, and nobody asks
again for a while.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from sharetally.web.who.quota import MAX_USERS, LocalQuota, QuotaState, Usage, refused

if TYPE_CHECKING:
    from redis.asyncio import Redis

PATIENCE = 0.05  # seconds that a write waits for Redis
REST = 2.0  # seconds without asking after Redis failed us
_BLOCKS = 20  # a lease is at most this part of the limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Writes that were granted, none if the limit is reached, and the usage after it."""

    granted: int
    usage: Usage


class Leases(Protocol):
    """The window that all processes share."""

    async def lease(self, key: str, *, wanted: int, limit: int, window: int) -> Grant:
        """Grant at most `wanted` writes; whatever this raises means that it cannot be told just now."""
        ...


@dataclass(kw_only=True, slots=True)
class _Lease:
    granted: int = 0
    left: int = 0
    ends: float = 0.0
    elsewhere: int = 0
    refused_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedQuota:
    """Spend what was leased; lease again when it is used up or its window is over."""

    def __init__(self, *, limit: int, window: int, leases: Leases, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window = window
        self._leases = leases
        self._now = now
        self._own = LocalQuota(limit=limit, window=window, now=now)
        self._held: OrderedDict[str, _Lease] = OrderedDict()
        self._rest_until = 0.0

    async def spend(self, key: str) -> QuotaState:
        """Take one write of this user, or raise `RateLimited`."""
        lease = self._lease(key)
        if not self._covers(lease):
            async with lease.lock:
                if not self._covers(lease) and not await self._renewed(key, lease):
                    return await self._own.spend(key)
        return self._taken(lease)

    def _lease(self, key: str) -> _Lease:
        lease = self._held.get(key)
        if lease is None:
            self._forget()
            lease = self._held[key] = _Lease()
        self._held.move_to_end(key)
        return lease

    def _forget(self) -> None:
        for _ in range(min(2, len(self._held))):
            idlest = next(iter(self._held.values()))
            if idlest.ends < self._now() or len(self._held) >= MAX_USERS:
                self._held.popitem(last=False)

    def _covers(self, lease: _Lease) -> bool:
        now = self._now()
        if now < lease.refused_until:
            raise refused(self._limit, self._window, lease.refused_until - now)
        return lease.left > 0 and now < lease.ends

    async def _renewed(self, key: str, lease: _Lease) -> bool:
        """Lease twice what the last lease served; False while Redis cannot be asked."""
        if self._now() < self._rest_until:
            return False
        wanted = min(max(1, self._limit // _BLOCKS), max(1, 2 * (lease.granted - lease.left)))
        try:
            grant = await self._leases.lease(key, wanted=wanted, limit=self._limit, window=self._window)
        except Exception:  # whatever a driver calls its trouble, it must not stop a write
            self._rest_until = self._now() + REST
            return False
        self._hold(lease, grant)
        return True

    def _hold(self, lease: _Lease, grant: Grant) -> None:
        now = self._now()
        lease.granted = lease.left = grant.granted
        lease.ends = now + (1 - grant.usage.elapsed) * self._window
        lease.elsewhere = grant.usage.free(self._limit)
        if not grant.granted:
            wait = grant.usage.wait(self._limit) * self._window
            lease.refused_until = now + wait
            raise refused(self._limit, self._window, wait)

    def _taken(self, lease: _Lease) -> QuotaState:
        lease.left -= 1
        reset = max(1, math.ceil(lease.ends - self._now()))
        remaining = lease.left + lease.elsewhere
        return QuotaState(limit=self._limit, remaining=remaining, reset=reset, window=self._window)


# Near the limit a lease shrinks to a quarter of what is free, so that little lies idle in other processes.
# The clock is Redis's own, so processes need not agree on the time; before Redis 5 a script may write after
# looking at it only if its effects are replicated.
_LEASE = """
if redis.replicate_commands then redis.replicate_commands() end
local wanted, limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local position = (time[1] + time[2] / 1000000) / window
local index = math.floor(position)
local row = redis.call('HMGET', KEYS[1], 'index', 'current', 'before')
local last, current, before = tonumber(row[1]) or 0, tonumber(row[2]) or 0, tonumber(row[3]) or 0
if last < index then
  before = (last == index - 1) and current or 0
  current = 0
end
local free = limit - math.floor(before * (1 - (position - index)) + current)
local granted = math.max(0, math.min(wanted, free, math.max(1, math.floor(free / 4))))
if granted > 0 then
  current = current + granted
  redis.call('HMSET', KEYS[1], 'index', index, 'current', current, 'before', before)
  redis.call('EXPIRE', KEYS[1], 2 * window)
end
return {granted, current, before, math.floor((position - index) * 1000000)}
"""


class RedisLeases:
    """The shared window in Redis: one hash a user under `prefix`, gone two windows after its last lease."""

    def __init__(self, client: Redis, *, prefix: str = "sharetally:quota:") -> None:
        self._prefix = prefix
        self._script = client.register_script(_LEASE)

    async def lease(self, key: str, *, wanted: int, limit: int, window: int) -> Grant:
        """Grant at most `wanted` writes, in one step on the server; `TimeoutError` when it is slow."""
        name = f"{self._prefix}{limit}/{window}:{key}"
        async with asyncio.timeout(PATIENCE):
            reply = await self._script(keys=[name], args=[wanted, limit, window])
        granted, current, before, millionths = cast("list[int]", reply)
        usage = Usage(current=current, before=before, elapsed=millionths / 1_000_000)
        return Grant(granted=granted, usage=usage)
