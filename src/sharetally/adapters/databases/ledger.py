"""The transaction: what the committer locks and writes; what counting does with it is in `counting.py`.

Tables are touched in one order, and rows in the order of their keys. So two transactions that want the same rows meet
at the first of them, and the later one waits there instead of causing a deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection, RowBatch
from sharetally.adapters.databases.counting import SqlCounting
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.stores.delivery_writes import SqlDeliveryWrites
from sharetally.domain.event import Event
from sharetally.domain.share import RecordKey
from sharetally.ports import IdempotencyKey, LockedRows, LockSet, StoredResponse, Transaction, Writes


class SqlTransaction(SqlCounting):
    """One open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._emitted: list[Event] = []
        self._deliveries: SqlDeliveryWrites | None = None

    async def lock(self, lock_set: LockSet) -> LockedRows:
        """Lock every referenced row that exists: keys, records, links, adjustments."""
        select = self._connection.select
        responses: dict[IdempotencyKey, StoredResponse] = {}
        if lock_set.keys:
            rows = await select(tables.idempotency_keys, IdempotencyKey._fields, lock_set.keys, lock=True)
            responses = dict(map(mapping.response_of, rows))
        records = await select(tables.share_records, RecordKey._fields, lock_set.records, lock=True)
        links = await select(tables.share_links, ("id",), [(link,) for link in lock_set.links], lock=True)
        adjustments = await select(
            tables.adjustments, ("request_key",), [(key,) for key in lock_set.adjustments], lock=True
        )
        if missing := lock_set.keys - responses.keys():
            # A twin that held these rows may have committed, its key with them, while we waited for them.
            responses |= map(
                mapping.response_of, await select(tables.idempotency_keys, IdempotencyKey._fields, missing)
            )
        return LockedRows(
            responses=responses,
            records={record.key: record for record in map(mapping.record_of, records)},
            links={link.id: link for link in map(mapping.link_of, links)},
            adjustments={item.request_key: item for item in map(mapping.adjustment_of, adjustments)},
        )

    async def write(self, writes: Writes) -> None:
        """Insert what is new, update what changed: all of it is locked, or nobody else's yet."""
        bind = self._connection.bind
        new_records = [mapping.record_row(record, bind) for _, record in sorted(writes.new_records.items())]
        new_links = [mapping.link_row(link, bind) for _, link in sorted(writes.new_links.items())]
        await self._connection.insert_rows(
            RowBatch(
                tables.idempotency_keys,
                mapping.RESPONSE_COLUMNS,
                [mapping.response_row(*response) for response in sorted(writes.responses.items())],
            ),
            RowBatch(tables.share_records, mapping.RECORD_COLUMNS, new_records),
            RowBatch(tables.share_links, mapping.LINK_COLUMNS, new_links),
            RowBatch(
                tables.adjustments,
                mapping.ADJUSTMENT_COLUMNS,
                [mapping.adjustment_row(line, bind) for _, line in sorted(writes.adjustments.items())],
            ),
            RowBatch(
                tables.share_audit, mapping.AUDIT_COLUMNS, [mapping.audit_row(entry, bind) for entry in writes.audit]
            ),
            self._event_rows(writes.events),
        )
        self._emitted += writes.events
        changed_records = [mapping.record_changes(record, bind) for _, record in sorted(writes.changed_records.items())]
        await self._connection.update_rows(RowBatch(tables.share_records, mapping.RECORD_CHANGES, changed_records))
        changed_links = [mapping.link_row(link, bind) for _, link in sorted(writes.changed_links.items())]
        await self._connection.update_rows(RowBatch(tables.share_links, mapping.LINK_COLUMNS, changed_links))

    async def emit(self, events: Sequence[Event]) -> None:
        """Write new events."""
        await self._connection.insert_rows(self._event_rows(events))
        self._emitted += events

    def _event_rows(self, events: Sequence[Event]) -> RowBatch:
        bind = self._connection.bind
        return RowBatch(tables.events, mapping.EVENT_COLUMNS, [mapping.event_row(event, bind) for event in events])

    @property
    def deliveries(self) -> SqlDeliveryWrites:
        """Deliveries in this transaction."""
        if self._deliveries is None:
            self._deliveries = SqlDeliveryWrites(self._connection)
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
