"""Events between their commit and their burning: claimed by the relay, parked, discarded, measured.

There is no index on time. A claim scans the table, which is short as long as counting keeps up, and stops at the first
rows that match.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.ledger import SqlTransaction
from sharetally.adapters.databases.mapping_adjustments import new_adjustments
from sharetally.adapters.databases.types import db_now
from sharetally.domain.adjustment import Adjustment
from sharetally.domain.audit import AuditEntry
from sharetally.domain.event import Event
from sharetally.ports import Backlog, EventRef, EventStore, ParkedEvent, Transaction

MAX_REASON = 500  # characters
_EVENTS = tables.events
_IS_PARKED = _EVENTS.c.parked_reason.is_not(None)
_NOT_PARKED = _EVENTS.c.parked_reason.is_(None)
_NOW = sa.select(db_now().label("now"))
_BACKLOG = sa.select(
    sa.func.count(sa.case((_NOT_PARKED, _EVENTS.c.id))).label("pending"),
    sa.func.count(_EVENTS.c.parked_reason).label("parked"),
    sa.func.min(sa.case((_NOT_PARKED, _EVENTS.c.created_at))).label("oldest"),
    db_now().label("now"),
).select_from(_EVENTS)


class SqlEventStore(EventStore):
    """Reads and writes `events` and `queue_marks`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def now(self) -> datetime:
        """Read the database's clock."""
        async with self._engine.read_connection() as connection:
            found: datetime = (await connection.rows_prepared(_NOW, {}))[0]["now"]
            return found

    async def backlog(self) -> Backlog:
        """Count in one statement, which reads the clock as well."""
        async with self._engine.read_connection() as connection:
            row = (await connection.rows_prepared(_BACKLOG, {}))[0]
        oldest = (row["now"] - row["oldest"]).total_seconds() if row["oldest"] else 0.0
        return Backlog(pending=row["pending"], parked=row["parked"], oldest=max(0.0, oldest))

    async def has_unburned_older_than(self, seconds: float) -> bool:
        """Look for one such row."""
        deadline = await self.now() - timedelta(seconds=seconds)
        statement = sa.select(_EVENTS.c.id).where(_NOT_PARKED, _EVENTS.c.sent_at < deadline).limit(1)
        async with self._engine.read_connection() as connection:
            return bool(await connection.rows(statement))

    async def claim(self, jobs: Sequence[str], sent_before: datetime | None, limit: int) -> list[EventRef]:
        """Lock rows, skipping those that another relay has locked, and update them."""
        columns = (_EVENTS.c.id, _EVENTS.c.job, _EVENTS.c.content_type, _EVENTS.c.content_id)
        due = sa.select(*columns).where(_NOT_PARKED, _EVENTS.c.job.in_(list(jobs)))
        if sent_before is not None:
            due = due.where(_EVENTS.c.sent_at < sent_before)
        async with self._engine.write_transaction() as connection:
            rows = await connection.rows(due.order_by(_EVENTS.c.id).limit(limit).with_for_update(skip_locked=True))
            if rows:
                sent_now = {"sent_at": db_now(), "attempts": _EVENTS.c.attempts + 1}
                await connection.run(
                    _EVENTS.update().where(_EVENTS.c.id.in_([row["id"] for row in rows])).values(sent_now)
                )
        return [_ref_of(row) for row in rows]

    async def marks(self) -> Mapping[str, datetime]:
        """Read all rows: there is one per queue."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(tables.queue_marks))
        return {row["queue"]: row["marked_at"] for row in rows}

    async def mark(self, queue: str, at: datetime) -> None:
        """Keep the newer one of two markers; one from the future is left over from a clock that was set back."""
        is_newer = "{greatest}({t}.marked_at, {marked_at})"
        sets = {"marked_at": f"CASE WHEN {{t}}.marked_at > {{now}} THEN {{marked_at}} ELSE {is_newer} END"}
        async with self._engine.write_transaction() as connection:
            await connection.upsert(connection.batch(tables.queue_marks, [{"queue": queue, "marked_at": at}]), sets)

    async def park(self, event_id: UUID, reason: str) -> None:
        """Store the reason, which is what makes an event parked."""
        values = {"parked_reason": reason[:MAX_REASON]}
        async with self._engine.write_transaction() as connection:
            await connection.run(_EVENTS.update().where(_EVENTS.c.id == event_id).values(values))

    async def add_parked(self, event: Event, reason: str) -> None:
        """Insert the event together with the reason."""
        async with self._engine.write_transaction() as connection:
            _, columns, [values] = mapping.new_events([event], connection.bind)
            await connection.insert(RowBatch(_EVENTS, (*columns, "parked_reason"), [(*values, reason[:MAX_REASON])]))

    async def parked(self, *, limit: int, after: UUID | None = None) -> list[ParkedEvent]:
        """Read backwards from `after`: ids rise with the time of creation."""
        statement = sa.select(_EVENTS).where(_IS_PARKED)
        if after is not None:
            statement = statement.where(_EVENTS.c.id < after)
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(statement.order_by(_EVENTS.c.id.desc()).limit(limit))
        return [_parked_of(row) for row in rows]

    async def parked_by_id(self, event_id: UUID) -> ParkedEvent | None:
        """Read one row by primary key."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(sa.select(_EVENTS).where(_EVENTS.c.id == event_id, _IS_PARKED))
        return _parked_of(rows[0]) if rows else None

    async def unpark(self, ids: Sequence[UUID]) -> list[EventRef]:
        """Clear the reason under the rows' locks."""
        async with self._engine.write_transaction() as connection:
            rows = await connection.select(_EVENTS, ("id",), [(each,) for each in set(ids)], lock=True)
            parked_rows = [row for row in rows if row["parked_reason"] is not None]
            if parked_rows:
                values = {"parked_reason": None, "sent_at": db_now()}
                await connection.run(
                    _EVENTS.update().where(_EVENTS.c.id.in_([row["id"] for row in parked_rows])).values(values)
                )
        return [_ref_of(row) for row in parked_rows]

    async def discard(
        self,
        event_id: UUID,
        adjustments: Sequence[Adjustment],
        audit: AuditEntry,
        settle: Callable[[Transaction], Awaitable[None]] | None = None,
    ) -> bool:
        """Lock the event, let `settle` write, then delete the event and insert the rest."""
        async with self._engine.write_transaction() as connection:
            rows = await connection.select(_EVENTS, ("id",), [(event_id,)], lock=True)
            if not rows or rows[0]["parked_reason"] is None:
                return False
            if settle is not None:
                await settle(SqlTransaction(connection))
            await connection.delete(_EVENTS, "id", [event_id])
            await connection.insert(
                new_adjustments(adjustments, connection.bind), mapping.new_audit([audit], connection.bind)
            )
        return True


def _ref_of(row: Row) -> EventRef:
    return EventRef(id=row["id"], job=row["job"], content=mapping.content_of(row))


def _parked_of(row: Row) -> ParkedEvent:
    return ParkedEvent(
        event=mapping.event_of(row),
        reason=row["parked_reason"],
        attempts=row["attempts"],
        created_at=row["created_at"],
    )
