"""What the delivery suites share: deliveries written and claimed, and a database clock that jumps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.stores import deliveries, delivery_lists, delivery_rows, delivery_writes
from sharetally.domain.delivery import Delivery, Outcome
from sharetally.domain.ids import new_id
from sharetally.ports import NewDelivery, Target

KINDS = frozenset({"hook", "mail"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOOK = Target("hook", "shop", "hook")


def new(target: Target = HOOK, **changes: Any) -> NewDelivery:
    """A delivery that is due at once, with its own key and message."""
    made = new_id()
    values = {"id": made, "target": target, "key": str(made), "message_id": new_id(), "payload": '{"a": 1}'}
    return NewDelivery(**{**values, **changes})


async def enqueue(db: SqlDatabase, *wanted: NewDelivery) -> list[NewDelivery]:
    """Write them in their own transaction; returns those that were written."""
    async with db.transaction() as tx:
        written = set(await tx.deliveries.enqueue(wanted))
    return [each for each in wanted if each.id in written]


async def registered(db: SqlDatabase) -> UUID:
    """Register a new worker."""
    worker = new_id()
    await db.deliveries.register(worker, "1.0")
    return worker


async def claim(db: SqlDatabase, worker: UUID, *, slots: int = 100, since: datetime = EPOCH) -> list[Delivery]:
    """Claim everything that is due, gate by gate, as far as the slots allow."""
    found: list[Delivery] = []
    for gate in (await db.deliveries.due(KINDS, since)).gates:
        found += (await db.deliveries.claim(worker, gate, KINDS, since, slots - len(found))).deliveries
    return found


async def finish(db: SqlDatabase, delivery: Delivery, worker: UUID, outcome: Outcome) -> bool:
    """Store an outcome in its own transaction."""
    async with db.transaction() as tx:
        return await tx.deliveries.finish(delivery, worker, outcome)


async def states(db: SqlDatabase) -> dict[UUID, str]:
    """The state of each delivery in the table; finished ones are not in it."""
    d = tables.deliveries
    async with db._engine.read_connection() as connection:
        return {row["id"]: row["state"] for row in await connection.rows(sa.select(d.c.id, d.c.state))}


async def logged(db: SqlDatabase) -> dict[UUID, str]:
    """The outcome of each delivery in the log."""
    log = tables.delivery_log
    async with db._engine.read_connection() as connection:
        return {row["id"]: row["outcome"] for row in await connection.rows(sa.select(log.c.id, log.c.outcome))}


async def consistent(db: SqlDatabase) -> bool:
    """Whether the targets agree with their rows."""
    d, t = tables.deliveries, tables.delivery_targets
    async with db._engine.read_connection() as connection:
        rows = await connection.rows(
            sa.select(d.c.kind, d.c.target, d.c.state, sa.func.count().label("number")).group_by(
                d.c.kind, d.c.target, d.c.state
            )
        )
        targets = await connection.rows(sa.select(t))
    counted = {(row["kind"], row["target"], row["state"]): row["number"] for row in rows}
    said = {
        (row["kind"], row["target"], state): row[name]
        for row in targets
        for state, name in (("waiting", "waiting"), ("sending", "in_flight"))
        if row[name]
    }
    return said == {key: number for key, number in counted.items() if key[2] in ("waiting", "sending")}


class JumpingClock:
    """The database's clock, as all statements about deliveries see it, is `ahead` of the real one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        real = delivery_rows.now_of

        async def now_of(connection: Connection) -> datetime:
            return await real(connection) + self.ahead

        for module in (delivery_rows, delivery_writes, deliveries, delivery_lists):
            patch.setattr(module, "now_of", now_of)


async def insert_waiting(
    db: SqlDatabase, *, targets: Sequence[Target], rows_each: int, due_in: timedelta, failing: bool
) -> None:
    """Insert many waiting rows at once, without the code that would write them one by one."""
    d, t, m = tables.deliveries, tables.delivery_targets, tables.messages
    message, now = new_id(), await db.events.now()
    due = now + due_in
    async with db._engine.write_transaction() as connection:
        await connection.insert(connection.batch(m, [{"id": message, "payload": "{}"}]))
        target_rows = [
            {
                "kind": each.kind, "target": each.name, "gate": each.gate, "failing": int(failing),
                "next_due": due, "max_in_flight": each.max_in_flight, "waiting": rows_each,
            }
            for each in targets
        ]  # fmt: skip
        await connection.insert(connection.batch(t, target_rows))
    rows = [
        {
            "id": new_id(), "kind": each.kind, "target": each.name, "key": str(number), "message_id": message,
            "state": "waiting", "due_at": due, "created_at": now,
        }
        for each in targets
        for number in range(rows_each)
    ]  # fmt: skip
    for start in range(0, len(rows), 10_000):
        async with db._engine.write_transaction() as connection:
            await connection.insert(connection.batch(d, rows[start : start + 10_000]))
