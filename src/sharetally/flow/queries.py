"""Counts as they are asked for: from the cache, else from the database; or exact at once.

One count is asked for together with all others that are wanted at that moment (see `coalescer.py`): one round
trip to the cache, one statement for what it does not have, one statement for all exact counts. Short addresses
that are followed are looked up likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.share import ShareRecord
from sharetally.flow.coalescer import Coalescer
from sharetally.ports import Cache, CountStore, LinkStore, LinkTarget, PlatformStatus, ShareStore

MAX_PER_STATEMENT = 200  # contents in one statement


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareStatus:
    """One platform: live records by anyone, and the caller's own record, if any."""

    platform: str
    status: PlatformStatus
    mine: ShareRecord | None


class Queries:
    """The reading half of the service."""

    def __init__(self, *, counts: CountStore, links: LinkStore, shares: ShareStore, cache: Cache | None) -> None:
        self._counts = counts
        self._shares = shares
        self._cache = cache
        self._cached = Coalescer(self._cached_counts, max_keys=MAX_PER_STATEMENT)
        self._exact = Coalescer(self._exact_counts, max_keys=MAX_PER_STATEMENT)
        self._targets = Coalescer(links.targets, max_keys=MAX_PER_STATEMENT)

    async def count(self, content: ContentRef) -> Count:
        """From the cache, else from the database."""
        return await self._cached.get(content)

    async def consistent(self, content: ContentRef) -> Count:
        """What is committed, counted or not, at some moment after this call began."""
        return await self._exact.get(content)

    async def link(self, code: str) -> LinkTarget | None:
        """What a short address leads to, as it stands at some moment after this call began."""
        return await self._targets.get(code)

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        """In the order asked, from the cache, else from the database."""
        return await self._cached.get_all(contents)

    async def _cached_counts(self, contents: Sequence[ContentRef]) -> Mapping[ContentRef, Count]:
        """Reads from the database what the cache does not have, and caches it."""
        cached = await self._cache.get(contents) if self._cache else [None] * len(contents)
        found = {content: hit for content, hit in zip(contents, cached, strict=True) if hit is not None}
        missing = sorted(content for content in contents if content not in found)
        if not missing:
            return found
        counts = await self._counts.stored(missing)
        if self._cache:
            await self._cache.put(counts)
        return found | {count.content: count for count in counts}

    async def _exact_counts(self, contents: Sequence[ContentRef]) -> Mapping[ContentRef, Count]:
        return {count.content: count for count in await self._counts.exact(contents)}

    async def share_status(self, content: ContentRef, user_id: str, platforms: Sequence[str]) -> list[ShareStatus]:
        """Each of these platforms, in their order, exact at once."""
        status = await self._counts.by_platform(content)
        mine = await self._shares.of_user(content, user_id)
        nobody = PlatformStatus(shares=0, last_shared_at=None)
        return [ShareStatus(platform=name, status=status.get(name, nobody), mine=mine.get(name)) for name in platforms]
