"""Counts as they are asked for: from the cache, else from the database; or exact at once.

An exact count is one statement. Requests that arrive while it runs share the next one, never the running
one, whose snapshot may be older than what they were answered before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.share import ShareRecord
from sharetally.ports import Cache, PlatformStatus, Reading

EXACT_AT_ONCE = 200  # contents in one statement


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareStatus:
    """One platform: live records by anyone, and the caller's own record, if any."""

    platform: str
    status: PlatformStatus
    mine: ShareRecord | None


class Queries:
    """The reading half of the service."""

    def __init__(self, *, reading: Reading, cache: Cache | None) -> None:
        self._reading = reading
        self._cache = cache
        self._asked: dict[ContentRef, asyncio.Future[Count]] = {}
        self._running: asyncio.Task[None] | None = None

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        """In the order asked; what the cache does not have is read and cached."""
        cached = await self._cache.get(contents) if self._cache else [None] * len(contents)
        missing = sorted({ref for ref, hit in zip(contents, cached, strict=True) if hit is None})
        found = {count.content: count for count in await self._read(missing)}
        return [hit or found[ref] for ref, hit in zip(contents, cached, strict=True)]

    async def _read(self, contents: Sequence[ContentRef]) -> list[Count]:
        if not contents:
            return []
        counts = await self._reading.counts(contents)
        if self._cache:
            await self._cache.put(counts)
        return counts

    async def consistent(self, content: ContentRef) -> Count:
        """What is committed, counted or not, at some moment after this call began."""
        answer = self._asked.get(content)
        if answer is None:
            answer = self._asked[content] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(answer)

    async def _run(self) -> None:
        while self._asked:
            batch = dict(list(self._asked.items())[:EXACT_AT_ONCE])
            for content in batch:
                del self._asked[content]
            await self._answer(batch)
        self._running = None

    async def _answer(self, batch: Mapping[ContentRef, asyncio.Future[Count]]) -> None:
        try:
            for count in await self._reading.consistent(list(batch)):
                _settle(batch[count.content], count)
        except Exception as error:
            for answer in batch.values():
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # nobody may be waiting any more

    async def share_status(self, content: ContentRef, user_id: str, platforms: Sequence[str]) -> list[ShareStatus]:
        """Every allowed platform in the configured order, exact at once."""
        status = await self._reading.platform_status(content)
        mine = await self._reading.records_of(content, user_id)
        nobody = PlatformStatus(shares=0, last_shared_at=None)
        return [ShareStatus(platform=name, status=status.get(name, nobody), mine=mine.get(name)) for name in platforms]


def _settle(answer: asyncio.Future[Count], count: Count) -> None:
    if not answer.done():
        answer.set_result(count)
