"""Deliveries as operators and metrics see them, and the clean-up of their tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.delivery_rows import (
    WITH_PAYLOAD,
    D,
    M,
    T,
    delivery_of,
    first_waiting,
    lock_deliveries,
    lock_targets,
    now_of,
    set_next_due,
    store_targets,
)
from sharetally.adapters.databases.stores.delivery_writes import STUCK
from sharetally.domain.delivery import Delivery, DeliveryState
from sharetally.domain.ids import earliest_id
from sharetally.ports.deliveries import DeliveryBacklog, DeliveryCount

KEEP_MESSAGES = timedelta(hours=1)  # a newer one may still get deliveries to further targets
_L = tables.delivery_log
_FIRST_ID = UUID(int=0)
_DISABLED = "the target is disabled: too many deliveries waited for it"
_OPEN = sa.select(
    T.c.kind, sa.func.sum(T.c.waiting).label("waiting"), sa.func.sum(T.c.in_flight).label("sending")
).group_by(T.c.kind)
_CLOSED = (
    sa.select(D.c.kind, D.c.state, sa.func.count().label("number"))
    .where(D.c.state.in_([*STUCK, DeliveryState.CANCELLED.value]))
    .group_by(D.c.kind, D.c.state)
)
_OLDEST = sa.select(sa.func.min(D.c.due_at).label("due_at")).where(
    D.c.state == sa.bindparam("state"), D.c.kind == sa.bindparam("kind")
)


class SqlDeliveryLists:
    """Lists, replays and housekeeping."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last_message = _FIRST_ID

    async def backlog(self) -> DeliveryBacklog:
        """Each target stores how many of its deliveries wait and are sent; the other states are counted by an index."""
        counts: list[DeliveryCount] = []
        oldest: dict[str, float] = {}
        async with self._engine.read_connection() as connection:
            now = await now_of(connection)
            for row in await connection.rows_prepared(_OPEN, {}):
                kind = row["kind"]
                counts.append(DeliveryCount(kind, DeliveryState.WAITING, int(row["waiting"])))
                counts.append(DeliveryCount(kind, DeliveryState.SENDING, int(row["sending"])))
                (first,) = await connection.rows_prepared(_OLDEST, {"state": DeliveryState.WAITING.value, "kind": kind})
                due = (now - first["due_at"]).total_seconds() if first["due_at"] else 0.0
                oldest[kind] = max(0.0, due)
            closed = {(row["kind"], row["state"]): row["number"] for row in await connection.rows_prepared(_CLOSED, {})}
        ended = (DeliveryState.DEAD, DeliveryState.UNKNOWN, DeliveryState.CANCELLED)
        counts += [DeliveryCount(kind, state, closed.get((kind, state.value), 0)) for kind in oldest for state in ended]
        return DeliveryBacklog(counts=counts, oldest_due=oldest)

    async def stuck(self, *, limit: int, after: UUID | None = None) -> list[Delivery]:
        """Newest first."""
        statement = WITH_PAYLOAD.where(D.c.state.in_(STUCK))
        if after is not None:
            statement = statement.where(D.c.id < after)
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(statement.order_by(D.c.id.desc()).limit(limit))
        return [delivery_of(row, row["payload"]) for row in rows]

    async def stuck_by_id(self, delivery_id: UUID) -> Delivery | None:
        """One of them."""
        async with self._engine.read_connection() as connection:
            rows = await connection.rows(WITH_PAYLOAD.where(D.c.id == delivery_id, D.c.state.in_(STUCK)))
        return delivery_of(rows[0], rows[0]["payload"]) if rows else None

    async def replay(self, ids: Sequence[UUID], *, over: timedelta = timedelta()) -> list[UUID]:
        """Let the same row wait again; deliveries to a disabled target are left out until it is enabled."""
        async with self._engine.write_transaction() as connection:
            known = await connection.select(D, ("id",), [(each,) for each in set(ids)])
            targets = await lock_targets(connection, [(row["kind"], row["target"]) for row in known])
            open_targets = {key: row for key, row in targets.items() if row["disabled_at"] is None}
            rows = [
                row
                for row in await lock_deliveries(connection, [row["id"] for row in known])
                if row["state"] in STUCK and (row["kind"], row["target"]) in open_targets
            ]
            now = await now_of(connection)
            changes = [
                {
                    "id": row["id"],
                    "state": DeliveryState.WAITING.value,
                    "due_at": now + over * place / len(rows),
                    "scheduled_at": now,
                    "attempts": 0,
                    "pauses": 0,
                }
                for place, row in enumerate(rows)
            ]
            await connection.update(connection.batch(D, changes, key="id"))
            for row in rows:
                open_targets[row["kind"], row["target"]]["waiting"] += 1
            for target in open_targets.values():
                await set_next_due(connection, target, now)
            await store_targets(connection, open_targets.values())
        return [row["id"] for row in rows]

    async def enable(self, kind: str, target: str) -> bool:
        """Accept deliveries again; those that are dead by now stay dead until somebody replays them."""
        async with self._engine.write_transaction() as connection:
            targets = await lock_targets(connection, [(kind, target)])
            now = await now_of(connection)
            for row in targets.values():
                row["disabled_at"] = None
                await set_next_due(connection, row, now)
            await store_targets(connection, targets.values())
        return bool(targets)

    async def expire_disabled(self, at_most: int) -> int:
        """Handle one target per transaction, so that no lock is held for long."""
        wanted = sa.select(T.c.kind, T.c.target).where(T.c.disabled_at.is_not(None), T.c.waiting > 0).limit(1)
        async with self._engine.read_connection() as connection:
            found = await connection.rows(wanted)
        if not found:
            return 0
        async with self._engine.write_transaction() as connection:
            targets = await lock_targets(connection, [(row["kind"], row["target"]) for row in found])
            now, expired = await now_of(connection), list[UUID]()
            for target in targets.values():
                if target["disabled_at"] is not None:
                    expired = [row["id"] for row in await first_waiting(connection, target, at_most)]
                    target["waiting"] -= len(expired)
            dead = {"state": DeliveryState.DEAD.value, "due_at": now, "scheduled_at": None, "last_error": _DISABLED}
            await connection.update(connection.batch(D, [{"id": each, **dead} for each in expired], key="id"))
            await store_targets(connection, targets.values())
        return len(expired)

    async def purge(self, *, failures_older_than: timedelta, at_most: int) -> int:
        """Delete old failures, then the unused messages of one page; the next call continues with the next page."""
        async with self._engine.write_transaction() as connection:
            now = await now_of(connection)
            old = (_L.c.outcome.in_(["discarded", "cancelled"]), _L.c.finished_at < now - failures_older_than)
            lines = [row["id"] for row in await connection.rows(sa.select(_L.c.id).where(*old).limit(at_most))]
            await connection.delete(_L, "id", lines)
            before = earliest_id(now - KEEP_MESSAGES)
            page = sa.select(M.c.id).where(M.c.id > self._last_message, M.c.id < before).order_by(M.c.id).limit(at_most)
            ids = [row["id"] for row in await connection.rows(page)]
            self._last_message = ids[-1] if len(ids) == at_most else _FIRST_ID
            # Locked before it is known whether they are used, because a producer that refers to a message locks it too
            locked = await connection.select(M, ("id",), [(each,) for each in ids], lock=True, columns=("id",))
            used = sa.select(D.c.message_id).where(D.c.message_id.in_([row["id"] for row in locked])).distinct()
            referred = {row["message_id"] for row in await connection.rows(used)} if locked else set()
            unused = [row["id"] for row in locked if row["id"] not in referred]
            await connection.delete(M, "id", unused)
        return len(lines) + len(unused)

    async def trim(self, kind: str, target: str, *, keep: int, at_most: int) -> int:
        """Find the oldest ones by the index that has them in this order."""
        done = sa.select(_L.c.id).where(_L.c.kind == kind, _L.c.target == target, _L.c.outcome == "done")
        older = done.order_by(_L.c.finished_at.desc(), _L.c.id.desc()).offset(keep).limit(at_most)
        async with self._engine.write_transaction() as connection:
            ids = [row["id"] for row in await connection.rows(older)]
            await connection.delete(_L, "id", ids)
        return len(ids)
