"""The store of posts as they are read; the transaction in `ledger` writes them. Each method may raise `Unavailable`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sharetally.domain.post import Post, PostStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class PostFilter:
    """Which posts a list contains; None means any."""

    user_id: str | None = None
    status: PostStatus | None = None


class PostStore(Protocol):
    """Reads posts."""

    async def by_id(self, post_id: UUID) -> Post | None:
        """One post; None if there is no such one."""
        ...

    async def newest(self, record_ids: Sequence[UUID]) -> Mapping[UUID, Post]:
        """The newest post of each of these records, by record id; records without posts are missing."""
        ...

    async def hold_overdue(self, before: datetime, reason: str) -> int:
        """Mark pending posts that were due before then as `overdue`, for this reason; return how many."""
        ...

    async def page(self, criteria: PostFilter, *, limit: int, after: UUID | None) -> list[Post]:
        """Posts, newest first, beginning after the one with the id `after`."""
        ...
