"""The transaction: lock and write, steps 1, 3, 4 and 5 of the committer; the counter's are in `counting`.

Tables are touched in one order and rows in the order of their keys, so that two transactions meet at
the first row that both want and the later one waits there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.counting import SqlCounting
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.statements import Row
from sharetally.adapters.databases.stores.delivery_writes import SqlDeliveryWrites
from sharetally.domain.event import Event
from sharetally.domain.share import RecordKey
from sharetally.ports import IdempotencyKey, LockedRows, LockSet, StoredResponse, Transaction, Writes

RECORD_KEY = RecordKey._fields


class SqlTransaction(SqlCounting):
    """One open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._emitted: list[Event] = []
        self._deliveries = SqlDeliveryWrites(connection)

    async def lock(self, lock_set: LockSet) -> LockedRows:
        """Lock every referenced row that exists: keys, records, links, adjustments."""
        answers = await self._answers(lock_set.keys, lock=True)
        record_rows = await self._lock_rows(tables.share_records, RECORD_KEY, lock_set.records)
        link_rows = await self._lock_rows(tables.share_links, ("id",), [(link,) for link in lock_set.links])
        adjustment_rows = await self._lock_rows(
            tables.adjustments, ("request_key",), [(key,) for key in lock_set.adjustments]
        )
        # A twin that held these rows may have committed, its key with them, while we waited for them.
        answers |= await self._answers(lock_set.keys - answers.keys(), lock=False)
        return LockedRows(
            responses=answers,
            records={record.key: record for record in map(mapping.record_of, record_rows)},
            links={link.id: link for link in map(mapping.link_of, link_rows)},
            adjustments={item.request_key: item for item in map(mapping.adjustment_of, adjustment_rows)},
        )

    async def _lock_rows(self, table: sa.Table, key: Sequence[str], keys: Collection[Sequence[object]]) -> list[Row]:
        return await self._connection.select(table, key, keys, lock=True) if keys else []

    async def _answers(self, keys: Set[IdempotencyKey], *, lock: bool) -> dict[IdempotencyKey, StoredResponse]:
        if not keys:
            return {}
        rows = await self._connection.select(tables.idempotency_keys, IdempotencyKey._fields, keys, lock=lock)
        return {IdempotencyKey(caller=row["caller"], key=row["key"]): mapping.answer_of(row) for row in rows}

    async def write(self, writes: Writes) -> None:
        """Insert what is new, update what changed: all of it is locked, or nobody else's yet."""
        await self._connection.insert(
            (tables.idempotency_keys, [mapping.answer_row(*answer) for answer in sorted(writes.responses.items())]),
            (tables.share_records, [mapping.record_row(row) for _, row in sorted(writes.new_records.items())]),
            (tables.share_links, [mapping.link_row(row) for _, row in sorted(writes.new_links.items())]),
            (tables.adjustments, [mapping.adjustment_row(row) for _, row in sorted(writes.adjustments.items())]),
            (tables.share_audit, [mapping.audit_row(entry) for entry in writes.audit]),
            (tables.events, [mapping.event_row(event) for event in writes.events]),
        )
        self._emitted += writes.events
        record_updates = [mapping.record_row(row) for _, row in sorted(writes.changed_records.items())]
        await self._connection.update(
            tables.share_records, "id", _without_columns(record_updates, mapping.RECORD_IDENTITY)
        )
        link_updates = [mapping.link_row(row) for _, row in sorted(writes.changed_links.items())]
        await self._connection.update(tables.share_links, "id", link_updates)

    async def emit(self, events: Sequence[Event]) -> None:
        """Write new events."""
        await self._connection.insert((tables.events, [mapping.event_row(event) for event in events]))
        self._emitted += events

    @property
    def deliveries(self) -> SqlDeliveryWrites:
        """Deliveries in this transaction."""
        return self._deliveries

    @property
    def emitted(self) -> Sequence[Event]:
        """Every event written so far, without what was rolled back."""
        return self._emitted

    async def execute(self, statement: str, parameters: Mapping[str, object]) -> list[Mapping[str, object]]:
        """Run SQL for a hook."""
        return list(await self._connection.rows_of_sql(statement, parameters))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that can fail alone."""
        before = len(self._emitted)
        try:
            async with self._connection.savepoint():
                yield
        except BaseException:
            del self._emitted[before:]
            raise


def _without_columns(rows: list[dict[str, Any]], names: frozenset[str]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


class SqlLedger:
    """The write side of the database."""

    _engine: Engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin."""
        async with self._engine.write_transaction() as connection:
            yield SqlTransaction(connection)

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """Look for our own audit rows; a batch that wrote none changed nothing."""
        statement = sa.select(tables.share_audit.c.id).where(tables.share_audit.c.id.in_(list(audit_ids)[:1]))
        async with self._engine.read_connection() as connection:
            return bool(await connection.rows(statement))
