"""The last look at everything, shared by all processes, and whose turn it is to look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.domain.proof import Look, Verdict

_L = tables.last_verify
_NAME = "everything"
_NOW = sa.select(db_now().label("now"))


class SqlLooks:
    """One row, made at the first look."""

    _engine: Engine

    async def last_look(self) -> Look | None:
        """The last look that was noted."""
        async with self._engine.reading() as connection:
            rows = await connection.rows(sa.select(_L).where(_L.c.name == _NAME, _L.c.at.is_not(None)))
        return _look(rows[0]) if rows else None

    async def note_look(self, verdict: Verdict, seconds: float) -> Look:
        """Note it."""
        async with self._engine.writing() as connection:
            now = (await connection.kept(_NOW, {}))[0]["now"]
            look = Look(at=now, contents=verdict.contents, drift=verdict.drift, seconds=round(seconds, 3))
            row = {
                "name": _NAME,
                "at": look.at,
                "contents": look.contents,
                "drift": look.drift,
                "milliseconds": round(look.seconds * 1000),
            }
            await connection.upsert(_L, [row], {name: f"{{{name}}}" for name in row if name != "name"})
        return look

    async def begin_look(self, seconds: float, *, again: bool = False) -> bool:
        """Take the row, unless somebody has it; whoever died with it loses it when its time is over."""
        async with self._engine.writing() as connection:
            await _make(connection)
            now = (await connection.kept(_NOW, {}))[0]["now"]
            held = await connection.select(_L, ("name",), [(_NAME,)], lock=True)
            if not again and any(row["busy_until"] is not None and row["busy_until"] > now for row in held):
                return False
            until = now + timedelta(seconds=seconds)
            await connection.run(_L.update().where(_L.c.name == _NAME).values(busy_until=until))
        return True


async def _make(connection: Connection) -> None:
    """Be there; where it is, nothing changes."""
    await connection.upsert(_L, [{"name": _NAME}], {"name": "{t}.name"})


def _look(row: Any) -> Look:
    return Look(at=row["at"], contents=row["contents"], drift=row["drift"], seconds=row["milliseconds"] / 1000)
