"""Posts as they are read: by id, by record, in pages. The transaction in `ledger` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mapping_posts import post_of
from sharetally.adapters.databases.types import UtcTime
from sharetally.domain.post import OVERDUE_CODE, Post, PostStatus
from sharetally.ports.posts import PostFilter, PostStore

_POSTS = tables.posts


class SqlPostStore(PostStore):
    """Reads `posts`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def by_id(self, post_id: UUID) -> Post | None:
        """Read one row by primary key."""
        async with self._engine.read_connection() as connection:
            rows = await connection.select(_POSTS, ("id",), [(post_id,)])
        return post_of(rows[0]) if rows else None

    async def newest(self, record_ids: Sequence[UUID]) -> Mapping[UUID, Post]:
        """Read all posts of these records: they are few."""
        if not record_ids:
            return {}
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_POSTS).where(_POSTS.c.record_id.in_(record_ids)))
        return {post.record_id: post for post in sorted(map(post_of, rows), key=lambda post: post.number)}

    async def hold_overdue(self, before: datetime, reason: str) -> int:
        """One update: whatever is pending has sent nothing that this database knows of."""
        due_at = sa.func.coalesce(_POSTS.c.scheduled_at, _POSTS.c.created_at)
        overdue = (_POSTS.c.status == PostStatus.PENDING.value, due_at < sa.bindparam("before", type_=UtcTime))
        held = _POSTS.update().where(*overdue).values(error_code=OVERDUE_CODE, error_message=reason)
        async with self._engine.write_transaction() as connection:
            return await connection.run(held, {"before": before})

    async def page(self, criteria: PostFilter, *, limit: int, after: UUID | None) -> list[Post]:
        """Read backwards from `after`: ids rise with the time of creation."""
        conditions: list[sa.ColumnElement[bool]] = []
        if criteria.user_id is not None:
            conditions.append(_POSTS.c.user_id == criteria.user_id)
        if criteria.status is not None:
            conditions.append(_POSTS.c.status == criteria.status.value)
        if after is not None:
            conditions.append(_POSTS.c.id < after)
        statement = sa.select(_POSTS).where(*conditions).order_by(_POSTS.c.id.desc()).limit(limit)
        async with self._engine.read_connection() as connection:
            return [post_of(row) for row in await connection.rows(statement)]
