"""The transaction: what the committer locks and writes; what counting does with it is in `counting.py`.

Tables are touched in one order, and rows in the order of their keys. So two transactions that want the same rows meet
at the first of them, and the later one waits there instead of causing a deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa

from sharetally.adapters.databases import mapping, tables
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.counting import SqlCounting
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mapping_adjustments import adjustment_of, new_adjustments
from sharetally.adapters.databases.mapping_links import link_of, links_to_rows
from sharetally.adapters.databases.mapping_posts import post_of, posts_to_rows
from sharetally.adapters.databases.mapping_responses import new_responses, response_of
from sharetally.adapters.databases.savepoints import savepoint
from sharetally.adapters.databases.stores.delivery_writes import SqlDeliveryWrites
from sharetally.adapters.databases.stores.spending import SqlSpendingWrites
from sharetally.domain.event import Event
from sharetally.domain.post import Post
from sharetally.domain.share import RecordKey
from sharetally.ports import IdempotencyKey, LockedRows, LockSet, StoredResponse, Transaction, Writes

K = TypeVar("K", RecordKey, UUID, str)
V = TypeVar("V")


class SqlTransaction(SqlCounting):
    """One open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._emitted: list[Event] = []
        self._savepoint_count = 0
        self._deliveries: SqlDeliveryWrites | None = None

    async def lock(self, lock_set: LockSet) -> LockedRows:
        """Lock every referenced row that exists: keys, records, links, adjustments."""
        select, keys = self._connection.select, IdempotencyKey._fields
        responses: dict[IdempotencyKey, StoredResponse] = {}
        if lock_set.keys:
            responses |= map(response_of, await select(tables.idempotency_keys, keys, lock_set.keys, lock=True))
        records = await select(tables.share_records, RecordKey._fields, lock_set.records, lock=True)
        links = await select(tables.share_links, ("id",), [(link,) for link in lock_set.links], lock=True)
        request_keys = [(key,) for key in lock_set.adjustments]
        adjustments = await select(tables.adjustments, ("request_key",), request_keys, lock=True)
        if missing := lock_set.keys - responses.keys():
            # While we waited for these rows, a repeated request may have committed them together with its key.
            responses |= map(response_of, await select(tables.idempotency_keys, keys, missing))
        return LockedRows(
            responses=responses,
            records={record.key: record for record in map(mapping.record_of, records)},
            links={link.id: link for link in map(link_of, links)},
            adjustments={item.request_key: item for item in map(adjustment_of, adjustments)},
            posts=await self._posts_of(lock_set, records) if lock_set.posts else {},
        )

    async def _posts_of(self, lock_set: LockSet, records: Sequence[Row]) -> dict[RecordKey, list[Post]]:
        record_ids = [row["id"] for row in records if mapping.record_of(row).key in lock_set.posts]
        if not record_ids:
            return {}
        rows = await self._connection.rows(sa.select(tables.posts).where(tables.posts.c.record_id.in_(record_ids)))
        found: dict[RecordKey, list[Post]] = {}
        for post in sorted(map(post_of, rows), key=lambda post: post.number):
            found.setdefault(post.key, []).append(post)
        return found

    async def write(self, writes: Writes) -> None:
        """Insert the new rows and update the changed ones; they are locked, or nobody else knows them yet."""
        connection, bind = self._connection, self._connection.bind
        new: list[RowBatch] = []
        if writes.responses:
            new.append(new_responses(sorted(writes.responses.items())))
        new.append(mapping.new_records(_by_key(writes.new_records), bind))
        if writes.new_links:
            new.append(links_to_rows(_by_key(writes.new_links), bind))
        if writes.adjustments:
            new.append(new_adjustments(_by_key(writes.adjustments), bind))
        if writes.new_posts:
            new.append(posts_to_rows(_by_key(writes.new_posts), bind))
        new += mapping.new_audit(writes.audit, bind), mapping.new_events(writes.events, bind)
        await connection.insert(*new)
        await connection.update(mapping.changed_records(_by_key(writes.changed_records), bind))
        if writes.changed_links:
            await connection.update(links_to_rows(_by_key(writes.changed_links), bind))
        if writes.changed_posts:
            await connection.update(posts_to_rows(_by_key(writes.changed_posts), bind))
        if writes.released:
            await self.spending.release(writes.released)
        self._emitted += writes.events

    async def emit(self, events: Sequence[Event]) -> None:
        """Insert events."""
        await self._connection.insert(mapping.new_events(events, self._connection.bind))
        self._emitted += events

    @property
    def spending(self) -> SqlSpendingWrites:
        """What posting costs, in this transaction."""
        return SqlSpendingWrites(self._connection)

    @property
    def deliveries(self) -> SqlDeliveryWrites:
        """Deliveries in this transaction."""
        if self._deliveries is None:
            self._deliveries = SqlDeliveryWrites(self._connection)
        return self._deliveries

    @property
    def emitted(self) -> Sequence[Event]:
        """Every event written so far, without those that were rolled back."""
        return self._emitted

    async def execute(self, statement: str, parameters: Mapping[str, object]) -> list[Mapping[str, object]]:
        """Run SQL for a hook."""
        return list(await self._connection.rows_of_sql(statement, parameters))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Begin a part that can fail alone; its events are then no longer among those `emitted`."""
        before = len(self._emitted)
        self._savepoint_count += 1
        try:
            async with savepoint(self._connection.driver, f"part_{self._savepoint_count}"):
                yield
        except BaseException:
            del self._emitted[before:]
            raise


def _by_key(values: Mapping[K, V]) -> list[V]:
    return [value for _, value in sorted(values.items())]


class SqlLedger:
    """Begins transactions, and finds out whether one was committed."""

    _engine: Engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction, which is committed when the block ends."""
        async with self._engine.write_transaction() as connection:
            yield SqlTransaction(connection)

    async def committed(self, audit_ids: Sequence[UUID]) -> bool:
        """Look for one of the audit rows, which every batch that changes anything writes."""
        statement = sa.select(tables.share_audit.c.id).where(tables.share_audit.c.id.in_(list(audit_ids)[:1]))
        async with self._engine.read_connection() as connection:
            return bool(await connection.rows(statement))
