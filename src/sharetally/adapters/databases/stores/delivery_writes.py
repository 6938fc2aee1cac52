"""Deliveries within the transaction of a caller.

A delivery is inserted in the transaction that causes it, and finished in the one that writes what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.stores.delivery_rows import (
    WITH_PAYLOAD,
    D,
    M,
    T,
    TargetRow,
    delivery_of,
    lock_deliveries,
    lock_targets,
    log_row,
    now_of,
    set_next_due,
    store_targets,
    text_of,
)
from sharetally.domain.delivery import Dead, Delivery, DeliveryState, Done, Outcome, Retry, Unknown
from sharetally.ports.deliveries import DeliveryWrites, NewDelivery

STUCK = (DeliveryState.DEAD.value, DeliveryState.UNKNOWN.value)
_KEY = ("kind", "target", "key")


class SqlDeliveryWrites(DeliveryWrites):
    """Writes over the connection of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._enqueued = False

    @property
    def enqueued(self) -> bool:
        """Whether any delivery was written."""
        return self._enqueued

    async def enqueue(self, deliveries: Sequence[NewDelivery]) -> Sequence[UUID]:
        """Lock the targets, in the order of their keys; insert the deliveries that they do not have yet; make them due.

        Other rows that the transaction locks are locked before the targets.
        """
        if not deliveries:
            return []
        connection, now = self._connection, await now_of(self._connection)
        by_name = {each.target[:2]: each.target for each in deliveries}
        named = [
            {"kind": kind, "target": name, "gate": target.gate, "max_in_flight": target.max_in_flight}
            for (kind, name), target in sorted(by_name.items())
        ]
        sets = {"gate": "{gate}", "max_in_flight": "{max_in_flight}"}
        await connection.upsert(connection.batch(T, named), sets)
        targets = await lock_targets(connection, by_name)
        wanted = {(each.target.kind, each.target.name, each.key): each for each in deliveries}
        for known in await connection.select(D, _KEY, wanted, columns=_KEY):
            del wanted[known["kind"], known["target"], known["key"]]
        written = [each for each in wanted.values() if _admit(targets[each.target[:2]], each, now)]
        if written:
            payloads = {each.message_id: each.payload for each in written}
            messages = [{"id": each, "payload": payload} for each, payload in sorted(payloads.items())]
            await connection.upsert(connection.batch(M, messages), {"payload": "{t}.payload"})
            rows = [
                {
                    "id": each.id,
                    "kind": each.target.kind,
                    "target": each.target.name,
                    "key": each.key,
                    "message_id": each.message_id,
                    "state": DeliveryState.WAITING.value,
                    "due_at": each.due_at or now,
                    # A due time that is now comes from this clock and moves with it; one that was chosen does not move
                    "scheduled_at": None if each.due_at else now,
                    "created_at": now,
                }
                for each in written
            ]
            await connection.insert(connection.batch(D, rows))
            self._enqueued = True
        await store_targets(connection, targets.values())
        return [each.id for each in written]

    async def finish(self, delivery: Delivery, worker: UUID, outcome: Outcome) -> bool:
        """Lock the target, then the delivery; return False if another worker has taken it over in the meantime."""
        connection = self._connection
        target = (await lock_targets(connection, [(delivery.kind, delivery.target)])).get(
            (delivery.kind, delivery.target)
        )
        row = await self._held(delivery, worker)
        if target is None or row is None:
            return False
        now = await now_of(connection)
        target["in_flight"] -= 1
        changes: dict[str, Any] = {"worker": None, "attempt_stored_at": None}
        match outcome:
            case Done():
                target["failing"] = 0
                await self._log(row, "done", now, None)
            case Retry(reason=reason, at=at, is_pause=is_pause):
                target["failing"] = 1
                target["waiting"] += 1
                changes |= {"state": DeliveryState.WAITING.value, "due_at": at or now, "scheduled_at": now}
                changes |= {"pauses": row["pauses"] + is_pause}
                await self._change(row, changes | {"last_error": text_of(reason)})
            case Dead(reason=reason):
                changes |= {"state": DeliveryState.DEAD.value, "due_at": now, "scheduled_at": None}
                await self._change(row, changes | {"last_error": text_of(reason)})
            case Unknown(reason=reason, look_at=look_at):
                target["failing"] = 1
                changes |= {"state": DeliveryState.UNKNOWN.value, "due_at": look_at or now, "scheduled_at": None}
                await self._change(row, changes | {"last_error": text_of(reason)})
        await set_next_due(connection, target, now)
        await store_targets(connection, [target])
        return True

    async def holds(self, delivery: Delivery, worker: UUID) -> bool:
        """By the row, under its lock."""
        return await self._held(delivery, worker) is not None

    async def store_attempt(self, delivery: Delivery, worker: UUID) -> bool:
        """Store that the attempt begins: from now on, the message may have been sent."""
        row = await self._held(delivery, worker)
        if row is None:
            return False
        await self._change(row, {"attempt_stored_at": await now_of(self._connection)})
        return True

    async def discard(self, delivery_id: UUID, reason: str) -> Delivery | None:
        """Move the delivery into the log, with the reason."""
        connection = self._connection
        found = await connection.rows(WITH_PAYLOAD.where(D.c.id == delivery_id))
        if not found:
            return None
        await lock_targets(connection, [(found[0]["kind"], found[0]["target"])])
        rows = [row for row in await lock_deliveries(connection, [delivery_id]) if row["state"] in STUCK]
        if not rows:
            return None
        await self._log(rows[0], "discarded", await now_of(connection), text_of(reason))
        return delivery_of(rows[0], found[0]["payload"])

    async def cancel(self, kind: str, target: str, key: str) -> bool:
        """Move the delivery into the log if it waits; one that is being sent is left alone."""
        connection = self._connection
        targets = await lock_targets(connection, [(kind, target)])
        rows = [
            row
            for row in await connection.select(D, _KEY, [(kind, target, key)], lock=True)
            if row["state"] == DeliveryState.WAITING
        ]
        if not rows:
            return False
        now, locked = await now_of(connection), targets[kind, target]
        await self._log(rows[0], "cancelled", now, None)
        locked["waiting"] -= 1
        await set_next_due(connection, locked, now)
        await store_targets(connection, [locked])
        return True

    async def block(self, kind: str, target: str, until: datetime) -> None:
        """Let nobody claim the target before then."""
        connection = self._connection
        targets = await lock_targets(connection, [(kind, target)])
        now = await now_of(connection)
        for each in targets.values():
            each["blocked_until"] = until
            await set_next_due(connection, each, now)
        await store_targets(connection, targets.values())

    async def _held(self, delivery: Delivery, worker: UUID) -> Row | None:
        """Lock the delivery and return its row, if this worker has the lease of its newest attempt."""
        for row in await lock_deliveries(self._connection, [delivery.id]):
            lease = (row["state"], row["worker"], row["attempts"])
            if lease == (DeliveryState.SENDING, worker, delivery.attempts):
                return row
        return None

    async def _change(self, row: Row, changes: Mapping[str, object]) -> None:
        await self._connection.run(D.update().where(D.c.id == row["id"]).values(changes))

    async def _log(self, row: Row, outcome: str, now: datetime, error: str | None) -> None:
        await self._connection.delete(D, "id", [row["id"]])
        await self._connection.insert(self._connection.batch(tables.delivery_log, [log_row(row, outcome, now, error)]))


def _admit(target: TargetRow, new: NewDelivery, now: datetime) -> bool:
    """Add a delivery to its locked target and make that due; if too many wait already, disable the target instead."""
    limit = new.target.max_waiting
    if target["disabled_at"] is None and limit is not None and target["waiting"] >= limit:
        target["disabled_at"], target["next_due"] = now, None
    if target["disabled_at"] is not None and limit is not None:
        return False
    due = max(new.due_at or now, target["blocked_until"] or now)
    earlier = target["next_due"]
    target["waiting"] += 1
    target["next_due"] = due if earlier is None else min(earlier, due)
    return True
