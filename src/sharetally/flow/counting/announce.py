"""Puts the newest absolute counts into the cache and sends them to live clients, once per counted batch.

Counts carry their version, and a lower one never overwrites a higher one, so announcements may come late, twice or in
any order. The cache comes first: a client that starts to listen only now finds there what was announced before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import SharetallyError
from sharetally.ports import Cache, Channel, CountStore

MAX_PER_STATEMENT = 200  # contents
log = structlog.get_logger("sharetally.announce")


class Announcer:
    """Reads the counts after the commit, caches them and sends them to the channel."""

    def __init__(self, *, counts: CountStore, cache: Cache | None, channel: Channel | None = None) -> None:
        self._counts = counts
        self._cache = cache
        self._channel = channel

    async def announce(self, contents: Iterable[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """A fault here loses nothing: cached counts expire within a minute, and followed ones are read again."""
        if self._cache is None and self._channel is None:
            return
        wanted = sorted(contents)
        if self._cache is None and self._channel is not None and not self._channel.carries_counts:
            await self._channel.announce_changed(wanted, minute_counts)
            return
        try:
            for start in range(0, len(wanted), MAX_PER_STATEMENT):
                counts = await self._counts.stored(wanted[start : start + MAX_PER_STATEMENT])
                if self._cache is not None:
                    await self._cache.put(counts)
                if self._channel is not None:
                    await self._channel.announce(counts, minute_counts if start == 0 else ())
        except SharetallyError as error:
            log.info("not announced", contents=len(wanted), reason=error.detail)
