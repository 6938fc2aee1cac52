"""Puts the newest absolute counts where readers look first, once per counted batch.

Counts carry their version, and a lower one never overwrites a higher one: announcements may come late,
twice or in any order.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import SharetallyError
from sharetally.ports import Cache, Reading

AT_ONCE = 200  # contents
log = structlog.get_logger("sharetally.announce")


class Announcer:
    """Reads what stands after the commit, and caches it."""

    def __init__(self, *, reading: Reading, cache: Cache | None) -> None:
        self._reading = reading
        self._cache = cache

    async def announce(self, contents: Iterable[ContentRef]) -> None:
        """A fault here loses nothing: cached counts end within a minute."""
        if self._cache is None:
            return
        wanted = sorted(contents)
        try:
            for start in range(0, len(wanted), AT_ONCE):
                await self._cache.put(await self._reading.counts(wanted[start : start + AT_ONCE]))
        except SharetallyError as error:
            log.info("not announced", contents=len(wanted), reason=error.detail)
