"""Responses by Idempotency-Key: deletes old ones. The transaction in `ledger` locks and writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.ports import ResponseStore

_RESPONSES = tables.idempotency_keys
_NOW = sa.select(db_now().label("now"))
_ROW_ID = {"postgresql": "ctid", "sqlite": "rowid"}  # MySQL has no such name, but it can limit a DELETE itself


class SqlResponseStore(ResponseStore):
    """Deletes from `idempotency_keys`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def purge(self, older_than_seconds: float, *, at_most: int) -> int:
        """Delete with one statement, which finds the oldest rows by the index on `created_at`."""
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            outdated = _RESPONSES.c.created_at < now - timedelta(seconds=older_than_seconds)
            row_id = _ROW_ID.get(connection.dialect.sa_dialect.name)
            if row_id is None:
                limited = _RESPONSES.delete().where(outdated).with_dialect_options(mysql_limit=at_most)
                return await connection.run(limited)
            oldest: sa.Select[Any] = sa.select(sa.literal_column(row_id)).select_from(_RESPONSES).where(outdated)
            oldest = oldest.order_by(_RESPONSES.c.created_at).limit(at_most)
            oldest = oldest.with_for_update(skip_locked=True)  # a concurrent relay deletes other rows
            return await connection.run(_RESPONSES.delete().where(sa.literal_column(row_id).in_(oldest)))
