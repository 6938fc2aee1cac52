"""Reading counts: from the cache, otherwise from the database; or exact as of the moment of the request.

A count is read together with all others that are requested at that moment (see `coalescer.py`): one round trip to the
cache, one statement for what it does not have, and one statement for all exact counts. Short links that are followed
are looked up in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.share import ShareRecord
from sharetally.flow.coalescer import Coalescer
from sharetally.ports import Cache, CountStore, LinkStore, LinkTarget, PlatformStatus, ShareStore

MAX_PER_STATEMENT = 200  # content items in one statement


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareStatus:
    """The status of one platform: the live records of all users, and the caller's own record if there is one."""

    platform: str
    status: PlatformStatus
    mine: ShareRecord | None


class Queries:
    """The queries for counts, short links and share statuses."""

    def __init__(self, *, counts: CountStore, links: LinkStore, shares: ShareStore, cache: Cache | None) -> None:
        self._counts = counts
        self._shares = shares
        self._cache = cache
        self._cached = Coalescer(self._load_cached, max_keys=MAX_PER_STATEMENT)
        self._exact = Coalescer(self._load_exact, max_keys=MAX_PER_STATEMENT)
        self._targets = Coalescer(links.targets, max_keys=MAX_PER_STATEMENT)

    async def count(self, content: ContentRef) -> Count:
        """The count from the cache, otherwise from the database."""
        return await self._cached.get(content)

    async def consistent(self, content: ContentRef) -> Count:
        """The exact count at some moment after this call began: everything committed, counted or not."""
        return await self._exact.get(content)

    async def link(self, code: str) -> LinkTarget | None:
        """The target of a short link at some moment after this call began."""
        return await self._targets.get(code)

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        """The counts in the order of `contents`, from the cache, otherwise from the database."""
        return await self._cached.get_all(contents)

    async def _load_cached(self, contents: Sequence[ContentRef]) -> Mapping[ContentRef, Count]:
        """Read the counts from the cache; those that it does not have are read from the database and cached."""
        cached = await self._cache.get(contents) if self._cache else [None] * len(contents)
        found = {content: count for content, count in zip(contents, cached, strict=True) if count is not None}
        missing = sorted(content for content in contents if content not in found)
        if missing:
            counts = await self._counts.stored(missing)
            if self._cache:
                await self._cache.put(counts)
            found |= {count.content: count for count in counts}
        return found

    async def _load_exact(self, contents: Sequence[ContentRef]) -> Mapping[ContentRef, Count]:
        return {count.content: count for count in await self._counts.exact(contents)}

    async def share_status(self, content: ContentRef, user_id: str, platforms: Sequence[str]) -> list[ShareStatus]:
        """The status of each platform, in the order of `platforms`; exact as soon as a change is committed."""
        status = await self._counts.by_platform(content)
        mine = await self._shares.of_user(content, user_id)
        nobody = PlatformStatus(shares=0, last_shared_at=None)
        return [ShareStatus(platform=name, status=status.get(name, nobody), mine=mine.get(name)) for name in platforms]
