"""The last look at everything, shared by all processes, and whose turn it is to look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.domain.proof import VerificationResult, VerificationRun

_RUNS = tables.last_verify
_FULL_RUN = "everything"
_NOW = sa.select(db_now().label("now"))


class SqlVerificationRuns:
    """One row, made at the first look."""

    _engine: Engine

    async def last_run(self) -> VerificationRun | None:
        """The last look that was noted."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_RUNS).where(_RUNS.c.name == _FULL_RUN, _RUNS.c.at.is_not(None)))
        return _run_of(rows[0]) if rows else None

    async def record_run(self, result: VerificationResult, seconds: float) -> VerificationRun:
        """Note it."""
        async with self._engine.write_transaction() as connection:
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            run = VerificationRun(
                at=now, content_items=result.content_items, drift=result.drift, seconds=round(seconds, 3)
            )
            row = {
                "name": _FULL_RUN,
                "at": run.at,
                "contents": run.content_items,
                "drift": run.drift,
                "milliseconds": round(run.seconds * 1000),
            }
            await connection.upsert(_RUNS, [row], {name: f"{{{name}}}" for name in row if name != "name"})
        return run

    async def extend_run_lease(self, seconds: float, *, renew: bool = False) -> bool:
        """Take the row, unless somebody has it; whoever died with it loses it when its time is over."""
        async with self._engine.write_transaction() as connection:
            await _ensure_row(connection)
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            rows = await connection.select(_RUNS, ("name",), [(_FULL_RUN,)], lock=True)
            if not renew and any(row["busy_until"] is not None and row["busy_until"] > now for row in rows):
                return False
            busy_until = now + timedelta(seconds=seconds)
            await connection.run(_RUNS.update().where(_RUNS.c.name == _FULL_RUN).values(busy_until=busy_until))
        return True


async def _ensure_row(connection: Connection) -> None:
    """Be there; where it is, nothing changes."""
    await connection.upsert(_RUNS, [{"name": _FULL_RUN}], {"name": "{t}.name"})


def _run_of(row: Any) -> VerificationRun:
    return VerificationRun(
        at=row["at"], content_items=row["contents"], drift=row["drift"], seconds=row["milliseconds"] / 1000
    )
