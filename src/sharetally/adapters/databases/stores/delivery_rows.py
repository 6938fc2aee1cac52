"""What all statements about deliveries share: the order in which rows are locked, and when a target is due next.

Every change of a delivery locks the row of its target first, so the changes of one target happen one after another.
`next_due` is the time from which a target can be claimed, or NULL while it has nothing to claim. It is never earlier
than the time at which it was written, so a claim can begin its search of the index at a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.types import db_now
from sharetally.domain.delivery import MAX_ERROR, Delivery, DeliveryState

D, T, M = tables.deliveries, tables.delivery_targets, tables.messages
TARGET_KEY = ("kind", "target")
TargetRow = dict[str, Any]

_NOW = sa.select(db_now().label("now"))
_WAITING = (
    sa.select(D.c.id, D.c.due_at)
    .where(
        D.c.kind == sa.bindparam("kind"),
        D.c.target == sa.bindparam("target"),
        D.c.state == sa.bindparam("state"),
    )
    .order_by(D.c.due_at, D.c.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_CHANGING = ("gate", "failing", "next_due", "blocked_until", "in_flight", "max_in_flight", "waiting", "disabled_at")
_SETS = {name: f"{{{name}}}" for name in _CHANGING}
WITH_PAYLOAD = sa.select(D, M.c.payload).select_from(D.outerjoin(M, M.c.id == D.c.message_id))


async def now_of(connection: Connection) -> datetime:
    """The database's clock."""
    now: datetime = (await connection.rows_prepared(_NOW, {}))[0]["now"]
    return now


async def lock_targets(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], TargetRow]:
    """Lock these targets in the order of their keys; return those that exist."""
    rows = await connection.select(T, TARGET_KEY, set(wanted), lock=True)
    return {(row["kind"], row["target"]): dict(row) for row in rows}


async def lock_deliveries(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """Lock these deliveries in the order of their ids, after their targets; return those that exist."""
    return await connection.select(D, ("id",), [(each,) for each in set(ids)], lock=True)


async def store_targets(connection: Connection, targets: Iterable[TargetRow]) -> None:
    """Write the changed columns of locked targets."""
    names = (*TARGET_KEY, *_CHANGING)
    rows = [{name: target[name] for name in names} for target in targets]
    await connection.upsert(connection.batch(T, sorted(rows, key=lambda row: (row["kind"], row["target"]))), _SETS)


async def first_waiting(connection: Connection, target: TargetRow, at_most: int) -> Sequence[Row]:
    """The waiting deliveries of a locked target, those that are due first."""
    parameters = {name: target[name] for name in TARGET_KEY}
    return await connection.rows_prepared(
        _WAITING, {**parameters, "state": DeliveryState.WAITING.value, "at_most": at_most}
    )


def claimable_from(target: TargetRow, due_at: datetime | None, now: datetime) -> datetime | None:
    """When a target can be claimed, if its first waiting delivery is due at `due_at`; None if it cannot be for now."""
    if due_at is None or target["disabled_at"] is not None or target["in_flight"] >= target["max_in_flight"]:
        return None
    return max(due_at, now, target["blocked_until"] or now)


async def set_next_due(connection: Connection, target: TargetRow, now: datetime) -> None:
    """Set `next_due` of a locked target from its waiting deliveries."""
    rows = await first_waiting(connection, target, 1)
    target["next_due"] = claimable_from(target, rows[0]["due_at"] if rows else None, now)


def text_of(error: str) -> str:
    """The text of an error, shortened, and without characters that some database cannot store."""
    return "".join(each if each.isprintable() else "?" for each in error)[:MAX_ERROR]


def log_row(row: Row, outcome: str, now: datetime, error: str | None) -> dict[str, Any]:
    """The line in the log of a finished delivery."""
    copied = {name: row[name] for name in ("id", "kind", "target", "key", "attempts", "created_at")}
    return {**copied, "outcome": outcome, "last_error": error, "finished_at": now}


def delivery_of(row: Row, payload: str | None) -> Delivery:
    """A stored delivery."""
    names = ("id", "kind", "target", "key", "due_at", "attempts", "created_at", "last_error", "pauses")
    return Delivery(state=DeliveryState(row["state"]), payload=payload or "", **{name: row[name] for name in names})
