"""The shared window of the quota in Redis: one hash per user, which expires two windows after its last lease.

`web/auth/shared_quota.py` calls it. The server handles each lease in one step and by its own clock, so the clocks of
the processes do not matter. A server that does not answer costs an occasional write its time-out, but never an error.
"""

from __future__ import annotations

from typing import cast

from sharetally.adapters.guarded_redis import GuardedRedis
from sharetally.ports.quota import Grant, Leases, Usage

# Near the limit a lease shrinks to a quarter of what is free, so that other processes hold few unused writes.
# Before Redis 5 a script may write after reading the clock only if it replicates its effects.
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


class RedisLeases(Leases):
    """The windows of all users on one server, in keys that begin with `prefix`."""

    def __init__(self, redis: GuardedRedis, *, prefix: str = "sharetally:quota:") -> None:
        self._redis = redis
        self._prefix = prefix
        self._script = redis.client.register_script(_LEASE)

    async def lease(self, key: str, *, wanted: int, limit: int, window: int) -> Grant | None:
        """Lease at most `wanted` writes; None while the server cannot be reached."""
        if not self._redis.allows():
            return None
        name = f"{self._prefix}{limit}/{window}:{key}"
        reply = await self._redis.call(lambda: self._script(keys=[name], args=[wanted, limit, window]))
        if reply is None:
            return None
        granted, current, before, millionths = cast("list[int]", reply)
        return Grant(granted=granted, usage=Usage(current=current, before=before, elapsed=millionths / 1_000_000))
