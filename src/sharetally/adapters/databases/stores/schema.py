"""The revision of the schema, as the migrations left it."""

from __future__ import annotations

import sqlalchemy as sa

from sharetally.adapters.databases.engine import Engine
from sharetally.domain.errors import DataRejected
from sharetally.ports import Schema

_REVISION = sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))


class SqlSchema(Schema):
    """Reads Alembic's table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def revision(self) -> str | None:
        """Read the one row; before the first migration the table does not exist."""
        try:
            async with self._engine.read_connection() as connection:
                rows = await connection.rows(_REVISION)
        except DataRejected:
            return None
        return rows[0]["version_num"] if rows else None
