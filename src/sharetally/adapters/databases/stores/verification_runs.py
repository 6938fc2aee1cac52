"""Full verifications: one row, shared by all processes, holds the last result and the lease of the one that runs."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.types import db_now
from sharetally.domain.proof import VerificationResult, VerificationRun
from sharetally.ports import VerificationRunStore

_RUNS = tables.last_verify
_FULL_RUN = "everything"  # the name of the only row
_NOW = sa.select(db_now().label("now"))


class SqlVerificationRunStore(VerificationRunStore):
    """Reads and writes `last_verify`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def last(self) -> VerificationRun | None:
        """Read the row; it has no time as long as there was only a lease."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_RUNS).where(_RUNS.c.name == _FULL_RUN, _RUNS.c.at.is_not(None)))
        if not rows:
            return None
        row = rows[0]
        return VerificationRun(
            at=row["at"], content_items=row["contents"], drift=row["drift"], seconds=row["milliseconds"] / 1000
        )

    async def record(self, result: VerificationResult, seconds: float) -> VerificationRun:
        """Replace the result; the lease stays as it is."""
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
            sets = {name: f"{{{name}}}" for name in row if name != "name"}
            await connection.upsert(connection.batch(_RUNS, [row]), sets)
        return run

    async def extend_lease(self, seconds: float, *, renew: bool = False) -> bool:
        """Set the end of the lease under the row's lock; a lease whose holder died ends by itself."""
        async with self._engine.write_transaction() as connection:
            row = connection.batch(_RUNS, [{"name": _FULL_RUN}])
            await connection.upsert(row, {"name": "{t}.name"})  # creates the row if it is missing
            now = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            rows = await connection.select(_RUNS, ("name",), [(_FULL_RUN,)], lock=True)
            if not renew and any(row["busy_until"] is not None and row["busy_until"] > now for row in rows):
                return False
            busy_until = now + timedelta(seconds=seconds)
            await connection.run(_RUNS.update().where(_RUNS.c.name == _FULL_RUN).values(busy_until=busy_until))
        return True
