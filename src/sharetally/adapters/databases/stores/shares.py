"""Share records as they are read: single rows, without a lock. The transaction in `ledger` locks and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.content_scopes import bound_content
from sharetally.domain.content import ContentRef
from sharetally.domain.share import ShareRecord
from sharetally.ports import ShareStore

_RECORDS = tables.share_records
_OF_USER = sa.select(_RECORDS).where(
    bound_content(_RECORDS), _RECORDS.c.user_id == sa.bindparam("user_id", type_=sa.String())
)


class SqlShareStore(ShareStore):
    """Reads `share_records`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def by_id(self, record_id: UUID) -> ShareRecord | None:
        """Read one row by primary key."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_RECORDS).where(_RECORDS.c.id == record_id))
        return mapping.record_of(rows[0]) if rows else None

    async def of_user(self, content: ContentRef, user_id: str) -> Mapping[str, ShareRecord]:
        """Read the user's rows with a statement that is compiled once."""
        parameters = {"content_type": content.type, "content_id": content.id, "user_id": user_id}
        async with self._engine.read_connection() as connection:
            rows = await connection.rows_prepared(_OF_USER, parameters)
        return {row["platform"]: mapping.record_of(row) for row in rows}
