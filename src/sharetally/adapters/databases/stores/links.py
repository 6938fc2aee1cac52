"""Share links as they are read: by id, by short code, in pages. The transaction in `ledger` locks and writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mapping_links import link_of
from sharetally.adapters.databases.types import db_now
from sharetally.domain.link import ShareLink
from sharetally.ports import LinkFilter, LinkStore, LinkTarget

_LINKS = tables.share_links
_TARGET_COLUMNS = ("code", "url", "expires_at", "deleted_at")
_NOW = sa.select(db_now().label("now"))


class SqlLinkStore(LinkStore):
    """Reads `share_links`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def by_id(self, link_id: UUID) -> ShareLink | None:
        """Read one row by primary key."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_LINKS).where(_LINKS.c.id == link_id))
        return link_of(rows[0]) if rows else None

    async def targets(self, codes: Sequence[str]) -> Mapping[str, LinkTarget | None]:
        """Read all codes in one statement; the database's clock is read only if one of the links can expire."""
        async with self._engine.read_connection() as connection:
            rows = await connection.select(_LINKS, ("code",), [(code,) for code in codes], columns=_TARGET_COLUMNS)
            any_expires = any(row["expires_at"] for row in rows)
            now: datetime | None = (await connection.rows_prepared(_NOW, {}))[0]["now"] if any_expires else None
        found = dict[str, LinkTarget]()
        for row in rows:
            end = row["expires_at"]
            expired = end is not None and now is not None and end <= now
            found[row["code"]] = LinkTarget(row["url"], expired, row["deleted_at"] is not None)
        return {code: found.get(code) for code in codes}

    async def page(self, criteria: LinkFilter, *, limit: int, after: UUID | None) -> list[ShareLink]:
        """Read backwards from `after`: ids rise with the time of creation."""
        wanted = (
            (_LINKS.c.content_type, criteria.content_type),
            (_LINKS.c.content_id, criteria.content_id),
            (_LINKS.c.user_id, criteria.user_id),
            (_LINKS.c.campaign, criteria.campaign),
        )
        conditions = [column == value for column, value in wanted if value is not None]
        statement = sa.select(_LINKS).where(_LINKS.c.deleted_at.is_(None), *conditions)
        if after is not None:
            statement = statement.where(_LINKS.c.id < after)
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(statement.order_by(_LINKS.c.id.desc()).limit(limit))
        return [link_of(row) for row in rows]
