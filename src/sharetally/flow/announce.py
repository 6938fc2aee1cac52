"""Puts the newest absolute counts where readers look first and tells who listens, once per counted batch.

Counts carry their version, and a lower one never overwrites a higher one: announcements may come late,
twice or in any order. The cache comes first: who hears nothing yet finds there what was told before.
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
    """Reads what stands after the commit, caches it and tells it."""

    def __init__(self, *, counts: CountStore, cache: Cache | None, channel: Channel | None = None) -> None:
        self._counts = counts
        self._cache = cache
        self._channel = channel

    async def announce(self, contents: Iterable[ContentRef], minute_counts: Sequence[MinuteCount] = ()) -> None:
        """A fault here loses nothing: cached counts end within a minute, followed ones are read again."""
        if self._cache is None and self._channel is None:
            return
        wanted = sorted(contents)
        if self._cache is None and self._channel is not None and not self._channel.carries_counts:
            await self._channel.announce_changed(wanted, minute_counts)
            return
        try:
            for start in range(0, len(wanted), MAX_PER_STATEMENT):
                await self._tell(wanted[start : start + MAX_PER_STATEMENT], minute_counts if start == 0 else ())
        except SharetallyError as error:
            log.info("not announced", contents=len(wanted), reason=error.detail)

    async def _tell(self, contents: Sequence[ContentRef], minute_counts: Sequence[MinuteCount]) -> None:
        counts = await self._counts.stored(contents)
        if self._cache is not None:
            await self._cache.put(counts)
        if self._channel is not None:
            await self._channel.announce(counts, minute_counts)
