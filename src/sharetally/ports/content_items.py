"""The store of content items: titles, images and addresses that the host application described, and their search.

Nothing here counts: a content item with a count is known even if nobody described it.
Every method may raise `Unavailable`; `describe` may also raise `TransientConflict`, after which it can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sharetally.domain.content import ContentRef
from sharetally.domain.content_details import ContentDetails


class ContentItemStore(Protocol):
    """Content items with their details."""

    async def describe(self, details: ContentDetails) -> ContentDetails:
        """Store the details in place of earlier ones, and return them as stored; repeating changes only the time."""
        ...

    async def details(self, contents: Sequence[ContentRef]) -> list[ContentDetails]:
        """The details of these content items, in their order; an unknown one has only its reference."""
        ...

    async def search(
        self, *, id_prefix: str, words: Sequence[str], content_type: str | None, limit: int, after: ContentRef | None
    ) -> list[ContentDetails]:
        """Known content items whose id begins with `id_prefix`, or whose title contains each of the words.

        At most `limit`, ordered by type and id, that follow `after`; None starts at the first. A word matches every
        word of the title that begins with it.
        """
        ...
