"""API keys, and the small things that keep house: the schema's revision, old answers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.domain.errors import Conflict, DataRejected
from sharetally.ports import ApiKey

_KEYS = tables.api_keys
_ROW = {"postgresql": "ctid", "sqlite": "rowid"}  # how a row is named; MySQL has no name, but limits a DELETE itself


class SqlKeyStore:
    """The keys that servers hold."""

    _engine: Engine

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key."""
        row = {
            "id": key.id,
            "name": key.name,
            "digest": key.digest,
            "scopes": " ".join(sorted(key.scopes)),
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
            "active_name": key.name if key.revoked_at is None else None,
        }
        # Keys of an older version, and those that shared a name when uniqueness came, have no `active_name`.
        namesake = sa.select(_KEYS.c.id).where(_KEYS.c.name == key.name, _KEYS.c.revoked_at.is_(None)).limit(1)
        async with self._engine.write_transaction() as connection:
            if key.revoked_at is None and await connection.rows(namesake):
                raise Conflict(
                    f"an API key named {key.name!r} is in use, and its name says whose the shares are: "
                    "take another name, or revoke that key first"
                )
            await connection.insert((_KEYS, [row]))  # of two at once one runs again, and finds the other

    async def keys(self) -> list[ApiKey]:
        """All keys, newest first."""
        async with self._engine.read_connection() as connection:
            return [mapping.key_of(row) for row in await connection.rows(sa.select(_KEYS).order_by(_KEYS.c.id.desc()))]

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_KEYS).where(_KEYS.c.digest == digest))
        return mapping.key_of(rows[0]) if rows else None

    async def key(self, key_id: UUID) -> ApiKey | None:
        """One key."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_KEYS).where(_KEYS.c.id == key_id))
        return mapping.key_of(rows[0]) if rows else None

    async def record_use(self, key_ids: Collection[UUID], *, at_most_every: float) -> None:
        """One statement; of several processes the first one writes."""
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows(sa.select(db_now().label("now"))))[0]["now"]
            outdated = _KEYS.c.last_used_at < now - timedelta(seconds=at_most_every)
            due = sa.and_(_KEYS.c.id.in_(sorted(key_ids)), sa.or_(_KEYS.c.last_used_at.is_(None), outdated))
            await connection.run(_KEYS.update().where(due).values(last_used_at=now))

    async def revoke_key(self, key_id: UUID) -> bool:
        """Revoke, which frees the name; the first time stays."""
        async with self._engine.write_transaction() as connection:
            rows = await connection.select(_KEYS, ("id",), [(key_id,)], lock=True)
            if rows and rows[0]["revoked_at"] is None:
                await connection.run(
                    _KEYS.update().where(_KEYS.c.id == key_id).values(revoked_at=db_now(), active_name=None)
                )
        return bool(rows)


class SqlSchema:
    """What the database stands at."""

    _engine: Engine

    async def revision(self) -> str | None:
        """The revision, or None before the first migration."""
        statement = sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))
        try:
            async with self._engine.read_connection() as connection:
                rows = await connection.rows(statement)
        except DataRejected:
            return None  # there is no such table
        return rows[0]["version_num"] if rows else None

    async def purge_responses(self, older_than_seconds: float, *, at_most: int) -> int:
        """Forget the oldest of what was answered long ago: one statement, which finds its rows by the index on time."""
        keys = tables.idempotency_keys
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows(sa.select(db_now().label("now"))))[0]["now"]
            outdated = keys.c.created_at < now - timedelta(seconds=older_than_seconds)
            if (row := _ROW.get(connection.dialect.sa_dialect.name)) is None:
                return await connection.run(keys.delete().where(outdated).with_dialect_options(mysql_limit=at_most))
            oldest: sa.Select[Any] = (
                sa.select(sa.literal_column(row)).select_from(keys).where(outdated).order_by(keys.c.created_at)
            )
            oldest = oldest.limit(at_most).with_for_update(skip_locked=True)  # another relay takes others
            return await connection.run(keys.delete().where(sa.literal_column(row).in_(oldest)))
