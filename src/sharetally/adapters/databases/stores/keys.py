"""API keys: their rows, and the rule that no two active keys have the same name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.domain.errors import Conflict
from sharetally.ports import ApiKey, KeyStore

_KEYS = tables.api_keys
_NOW = sa.select(db_now().label("now"))


class SqlKeyStore(KeyStore):
    """Reads and writes `api_keys`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, key: ApiKey) -> None:
        """Insert the key, unless an active one has its name.

        The unique index on `active_name` decides between concurrent calls. The query before it also covers keys that
        have no `active_name`: those of an older version, and those that shared a name when the index was introduced.
        """
        is_active = key.revoked_at is None
        row = {
            "id": key.id,
            "name": key.name,
            "digest": key.digest,
            "scopes": " ".join(sorted(key.scopes)),
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
            "active_name": key.name if is_active else None,
        }
        namesake = sa.select(_KEYS.c.id).where(_KEYS.c.name == key.name, _KEYS.c.revoked_at.is_(None)).limit(1)
        async with self._engine.write_transaction() as connection:
            if is_active and await connection.rows(namesake):
                raise Conflict(
                    f"an API key named {key.name!r} is in use, and its name says whose the shares are: "
                    "take another name, or revoke that key first"
                )
            await connection.insert(connection.batch(_KEYS, [row]))

    async def all(self) -> list[ApiKey]:
        """Read all rows."""
        async with self._engine.read_connection() as connection:
            return [_key_of(row) for row in await connection.rows(sa.select(_KEYS).order_by(_KEYS.c.id.desc()))]

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        """Read one row by the unique index on `digest`."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_KEYS).where(_KEYS.c.digest == digest))
        return _key_of(rows[0]) if rows else None

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        """Read one row by primary key."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_KEYS).where(_KEYS.c.id == key_id))
        return _key_of(rows[0]) if rows else None

    async def record_use(self, key_ids: Collection[UUID], *, at_most_every: float) -> None:
        """Update with one statement; of several processes the first one writes."""
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            outdated = _KEYS.c.last_used_at < now - timedelta(seconds=at_most_every)
            due = sa.and_(_KEYS.c.id.in_(sorted(key_ids)), sa.or_(_KEYS.c.last_used_at.is_(None), outdated))
            await connection.run(_KEYS.update().where(due).values(last_used_at=now))

    async def revoke(self, key_id: UUID) -> bool:
        """Set `revoked_at` under the row's lock, if it is not set; the name becomes free."""
        async with self._engine.write_transaction() as connection:
            rows = await connection.select(_KEYS, ("id",), [(key_id,)], lock=True)
            if rows and rows[0]["revoked_at"] is None:
                await connection.run(
                    _KEYS.update().where(_KEYS.c.id == key_id).values(revoked_at=db_now(), active_name=None)
                )
        return bool(rows)


def _key_of(row: Row) -> ApiKey:
    names = ("id", "name", "digest", "created_at", "revoked_at", "last_used_at")
    return ApiKey(scopes=frozenset(row["scopes"].split()), **{name: row[name] for name in names})
