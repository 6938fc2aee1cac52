"""Deliveries in transactions of their own: claims, leases, lists and housekeeping.

A claim searches targets, not deliveries, because `SKIP LOCKED` over the 100,000 deliveries of a target that is down
would read all of them. Targets are locked before deliveries, both in the order of their keys. SQLite runs the same
statements without SKIP LOCKED, because it has one writer; `due` keeps that free while nothing is due.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.stores.delivery_lists import SqlDeliveryLists
from sharetally.adapters.databases.stores.delivery_rows import (
    D,
    M,
    T,
    TargetRow,
    claimable_from,
    delivery_of,
    first_waiting,
    lock_deliveries,
    lock_targets,
    now_of,
    set_next_due,
    store_targets,
)
from sharetally.domain.delivery import DeliveryState
from sharetally.ports.deliveries import Claimed, ClosedGate, DeliveryStore, Due, DueGate

TARGETS_A_CLAIM = 32
INDEX = "ix_delivery_targets_due"
_G, _W = tables.delivery_gates, tables.delivery_workers
_LEASE_LAPSED = "the worker stopped before the attempt was stored"
_ATTEMPT_LAPSED = "the worker stopped while the message may have been on its way"


def _time(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=T.c.next_due.type)


def _claimable(gate: sa.ColumnElement[str], failing: sa.ColumnElement[int]) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions in the order of the index: one gate, failing targets or the others, due between two times."""
    return (
        T.c.gate == gate,
        T.c.failing == failing,
        T.c.next_due >= _time("since"),
        T.c.next_due <= _time("now"),
        T.c.kind.in_(sa.bindparam("kinds", expanding=True)),
    )


_CLOSED = (
    sa.or_(_G.c.closed_until.is_(None), _G.c.closed_until > _time("now")),
    sa.or_(_G.c.version.is_(None), _G.c.version.in_(sa.bindparam("versions", expanding=True))),
)
CLAIM = (
    sa.select(T)
    .where(*_claimable(sa.bindparam("gate", type_=sa.String()), sa.bindparam("failing", type_=sa.SmallInteger())))
    .order_by(T.c.next_due, T.c.kind, T.c.target)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
    .with_for_update(skip_locked=True)
    .with_hint(T, f"FORCE INDEX ({INDEX})", "mysql")
)


def _due_gates() -> sa.Select[tuple[str, int]]:
    """Find each gate by a seek in the index behind the one before it, then whether anything of it is due."""
    gates = sa.select(sa.func.min(T.c.gate).label("gate")).cte("gates", recursive=True)
    next_gate = sa.select(sa.func.min(T.c.gate)).where(T.c.gate > gates.c.gate).scalar_subquery()
    gates = gates.union_all(sa.select(next_gate).where(gates.c.gate.is_not(None)))
    classes = sa.union_all(*(sa.select(sa.literal_column(number).label("failing")) for number in "01")).subquery()
    closed = sa.select(_G.c.gate).where(_G.c.gate == gates.c.gate, *_CLOSED)
    due = sa.select(T.c.kind).where(*_claimable(gates.c.gate, classes.c.failing))
    return (
        sa.select(gates.c.gate, classes.c.failing)
        .select_from(gates.join(classes, sa.true()))
        .where(
            gates.c.gate.is_not(None), ~closed.exists(), due.with_hint(T, f"FORCE INDEX ({INDEX})", "mysql").exists()
        )
        .order_by(gates.c.gate, classes.c.failing)
    )


DUE = _due_gates()
CLOSED_GATES = sa.select(_G).where(*_CLOSED).order_by(_G.c.gate)


class SqlDeliveryStore(SqlDeliveryLists, DeliveryStore):
    """Claims and leases in transactions of their own."""

    async def due(self, kinds: Collection[str], since: datetime, versions: Collection[str] = ()) -> Due:
        """Read the gates on a connection that does not wait for writers."""
        async with self._engine.read_connection() as connection:
            now = await now_of(connection)
            values = {"kinds": sorted(kinds), "since": since, "now": now, "versions": sorted(versions)}
            rows = await connection.rows_prepared(DUE, values)
        return Due(now=now, gates=[DueGate(gate=row["gate"], failing=bool(row["failing"])) for row in rows])

    async def claim(self, worker: UUID, gate: DueGate, kinds: Collection[str], since: datetime, slots: int) -> Claimed:
        """Lock due targets that nobody else is claiming, then lease as many deliveries as they and we have room for."""
        async with self._engine.write_transaction() as connection:
            now = await now_of(connection)
            found = await connection.rows_prepared(
                CLAIM,
                {
                    "gate": gate.gate,
                    "failing": int(gate.failing),
                    "since": since,
                    "now": now,
                    "kinds": sorted(kinds),
                    "at_most": min(TARGETS_A_CLAIM, slots),  # other workers skip what is locked here
                },
            )
            targets: list[TargetRow] = []
            ids: list[UUID] = []
            for target in map(dict, found):
                if len(ids) == slots:
                    break
                ids += await _take(connection, target, now, slots - len(ids))
                targets.append(target)
            await store_targets(connection, targets)
            lease = {"state": DeliveryState.SENDING.value, "worker": worker, "attempts": D.c.attempts + 1}
            if ids:
                await connection.run(D.update().where(D.c.id.in_(ids)).values({**lease, "attempt_stored_at": None}))
            rows = {row["id"]: row for row in await connection.select(D, ("id",), [(each,) for each in ids])}
            wanted = {(row["message_id"],) for row in rows.values()}
            payloads = {row["id"]: row["payload"] for row in await connection.select(M, ("id",), wanted)}
        deliveries = [delivery_of(rows[each], payloads.get(rows[each]["message_id"])) for each in ids]
        return Claimed(deliveries=deliveries, earliest=found[0]["next_due"] if found else None)

    # leases

    async def register(self, worker: UUID, version: str) -> None:
        """Insert the worker with 0 beats."""
        async with self._engine.write_transaction() as connection:
            now = await now_of(connection)
            row = {"id": worker, "beats": 0, "version": version[:32], "started_at": now, "beat_at": now}
            await connection.insert(connection.batch(_W, [row]))

    async def heartbeat(self, worker: UUID, beats: int) -> bool:
        """One update renews all leases of the worker."""
        async with self._engine.write_transaction() as connection:
            now = await now_of(connection)
            own = (_W.c.id == worker, _W.c.beats >= beats)
            return await connection.run(_W.update().where(*own).values(beats=_W.c.beats + 1, beat_at=now)) == 1

    async def idle_since(self, period: timedelta) -> datetime | None:
        """Look for one newer heartbeat."""
        async with self._engine.read_connection() as connection:
            since = await now_of(connection) - period
            newer = await connection.rows(sa.select(_W.c.id).where(_W.c.beat_at > since).limit(1))
        return None if newer else since

    async def heartbeats(self) -> Mapping[UUID, int]:
        """The beats of each worker, and -1 for those that hold a lease but are registered no more."""
        leases = sa.select(D.c.worker).where(D.c.state == DeliveryState.SENDING.value).distinct()
        async with self._engine.read_connection() as connection:
            holders = await connection.rows(leases)
            workers = await connection.rows(sa.select(_W.c.id, _W.c.beats))
        return {row["worker"]: -1 for row in holders} | {row["id"]: row["beats"] for row in workers}

    async def take_over(self, worker: UUID, beats: int) -> int:
        """Delete the worker, which ends its leases: if it was only slow, its next heartbeat finds that it is gone."""
        async with self._engine.write_transaction() as connection:
            gone = await connection.run(_W.delete().where(_W.c.id == worker, _W.c.beats == beats))
            if not gone and await connection.rows(sa.select(_W.c.id).where(_W.c.id == worker)):
                return 0
            return await _end_leases(connection, worker, ())

    async def release_forgotten(self, worker: UUID, known: Collection[UUID]) -> int:
        """End them as if the worker were gone, which it is not."""
        async with self._engine.write_transaction() as connection:
            return await _end_leases(connection, worker, known)

    async def leave(self, worker: UUID) -> None:
        """Delete the worker, unless it still has leases: then it stays, so that somebody takes it over."""
        held = sa.select(D.c.id).where(D.c.state == DeliveryState.SENDING.value, D.c.worker == worker).limit(1)
        async with self._engine.write_transaction() as connection:
            if not await connection.rows(held):
                await connection.run(_W.delete().where(_W.c.id == worker))

    # gates and clocks

    async def close_gate(
        self, gate: str, reason: str, until: datetime | None = None, *, version: str | None = None
    ) -> None:
        """Write the row that every claim reads first."""
        async with self._engine.write_transaction() as connection:
            row = {"gate": gate, "closed_until": until, "reason": reason[:500], "version": version}
            sets = {"closed_until": "{closed_until}", "reason": "{reason}", "version": "{version}"}
            await connection.upsert(connection.batch(_G, [row]), sets)

    async def open_gate(self, gate: str) -> None:
        """Delete the row of the gate."""
        async with self._engine.write_transaction() as connection:
            await connection.run(_G.delete().where(_G.c.gate == gate))

    async def closed_gates(self, versions: Collection[str] = ()) -> list[ClosedGate]:
        """Read the rows whose time has not come yet, by the database's clock."""
        async with self._engine.read_connection() as connection:
            values = {"now": await now_of(connection), "versions": sorted(versions)}
            rows = await connection.rows_prepared(CLOSED_GATES, values)
        return [ClosedGate(row["gate"], row["reason"], row["closed_until"], row["version"]) for row in rows]

    async def reschedule(self) -> int:
        """After the clock was set back, correct the targets that wait, a hundred in one transaction."""
        moved, last_kind, last_target = 0, "", ""
        while True:
            async with self._engine.read_connection() as connection:
                now = await now_of(connection)
                later_than_now = now + timedelta(seconds=1)
                beats = sa.select(_W.c.id).where(_W.c.beat_at > later_than_now).limit(1)
                scheduled = (D.c.state == DeliveryState.WAITING.value, D.c.scheduled_at > later_than_now)
                waiting = sa.select(D.c.id).where(*scheduled).limit(1)
                if not (await connection.rows(beats) or await connection.rows(waiting)):
                    return moved  # no time was stored by a clock that has been set back since
                following = sa.or_(T.c.kind > last_kind, sa.and_(T.c.kind == last_kind, T.c.target > last_target))
                asleep = sa.or_(T.c.next_due.is_(None), T.c.next_due > now)
                page = sa.select(T.c.kind, T.c.target).where(following, T.c.waiting > 0, asleep)
                rows = await connection.rows(page.order_by(T.c.kind, T.c.target).limit(100))
            if not rows:
                return moved
            async with self._engine.write_transaction() as connection:
                moved += await _shift(connection, [(row["kind"], row["target"]) for row in rows])
            last_kind, last_target = rows[-1]["kind"], rows[-1]["target"]


async def _end_leases(connection: Connection, worker: UUID, kept: Collection[UUID]) -> int:
    """End the leases of a worker except for those of the deliveries that are kept; return how many that were."""
    held = (D.c.state == DeliveryState.SENDING.value, D.c.worker == worker)
    found = await connection.rows(sa.select(D.c.id, D.c.kind, D.c.target).where(*held))
    rows = [row for row in found if row["id"] not in kept]
    targets = await lock_targets(connection, [(row["kind"], row["target"]) for row in rows])
    locked = await lock_deliveries(connection, [row["id"] for row in rows])
    lapsed = [row for row in locked if (row["state"], row["worker"]) == (DeliveryState.SENDING, worker)]
    now, changes = await now_of(connection), list[Row]()
    for row in lapsed:
        is_stored = row["attempt_stored_at"] is not None
        target = targets[row["kind"], row["target"]]
        target["in_flight"] -= 1
        target["waiting"] += not is_stored
        changes.append(
            {
                "id": row["id"],
                "state": (DeliveryState.UNKNOWN if is_stored else DeliveryState.WAITING).value,
                "due_at": now if is_stored else row["due_at"],  # it keeps its place before later ones
                "scheduled_at": now if is_stored else row["scheduled_at"],
                "worker": None,
                "attempt_stored_at": None,
                "last_error": _ATTEMPT_LAPSED if is_stored else _LEASE_LAPSED,
            }
        )
    await connection.update(connection.batch(D, changes, key="id"))
    for target in targets.values():
        await set_next_due(connection, target, now)
    await store_targets(connection, targets.values())
    return len(lapsed)


async def _take(connection: Connection, target: TargetRow, now: datetime, slots: int) -> list[UUID]:
    """Return what is due of a locked target, and set when the target can be claimed next."""
    blocked = target["disabled_at"] is not None or (target["blocked_until"] or now) > now
    free = 0 if blocked else max(0, min(target["max_in_flight"] - target["in_flight"], slots))
    waiting = await first_waiting(connection, target, free + 1)
    taken = [row["id"] for row in waiting[:free] if row["due_at"] <= now]
    target["in_flight"] += len(taken)
    target["waiting"] -= len(taken)
    rest = waiting[len(taken) :]
    target["next_due"] = claimable_from(target, rest[0]["due_at"] if rest else None, now)
    return taken


async def _shift(connection: Connection, keys: Sequence[tuple[str, str]]) -> int:
    """Due times that were computed from a time in the future keep their distance from it, counted from now."""
    targets = await lock_targets(connection, keys)
    now, moved = await now_of(connection), 0
    for (kind, name), target in targets.items():
        ahead = (D.c.kind == kind, D.c.target == name, D.c.state == DeliveryState.WAITING.value, D.c.scheduled_at > now)
        rows = await connection.rows(sa.select(D.c.id, D.c.due_at, D.c.scheduled_at).where(*ahead))
        changes = [
            {"id": row["id"], "due_at": now + (row["due_at"] - row["scheduled_at"]), "scheduled_at": now}
            for row in rows
        ]
        await connection.update(connection.batch(D, changes, key="id"))
        await set_next_due(connection, target, now)
        moved += len(rows)
    await store_targets(connection, targets.values())
    return moved
