"""Transactions, one suite for all three databases: all or nothing, lock order, and parts that fail alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.errors import TransientConflict
from sharetally.domain.ids import new_id
from sharetally.domain.share import RecordKey, ShareRecord
from sharetally.ports import AuditFilter, IdempotencyKey, LockSet, StoredResponse, Transaction, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    SERVERS,
    adjustment,
    audit_entry,
    created_event,
    database_url_for,
    execute_sql,
    link,
    links_by_id,
    open_database,
    open_empty_database,
    query_int,
    record,
    records_by_key,
    retry_transient,
    write_rows,
)

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)

ANSWER = StoredResponse(
    request_hash=bytes(range(32)),
    status=201,
    headers=(("Location", "/share-links/1"), ("X-Ä", "ö")),
    body=b'{"\x00\xff"}',
)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def write_and_fail(db: SqlDatabase, writes: Writes) -> None:
    async with db.transaction() as tx:
        await tx.write(writes)
        raise LookupError


async def records(db: SqlDatabase) -> int:
    return await query_int(db, "SELECT count(*) AS n FROM share_records")


# transactions


async def test_rows_are_visible_once_their_transaction_ends(db: SqlDatabase) -> None:
    made = record()
    await write_rows(db, Writes(new_records=records_by_key(made)))
    assert await db.shares.by_id(made.id) == made


async def test_an_error_rolls_everything_back(db: SqlDatabase) -> None:
    with pytest.raises(LookupError):
        await write_and_fail(
            db, Writes(new_records=records_by_key(record()), events=[created_event(record())], audit=[audit_entry()])
        )
    assert await records(db) == 0
    assert (await db.events.backlog()).pending == 0
    assert await db.audit.page(AuditFilter(), limit=1, after=None) == []


async def test_nothing_is_seen_before_the_commit(db: SqlDatabase) -> None:
    made = record()
    async with db.transaction() as tx:
        await tx.write(Writes(new_records=records_by_key(made)))
        assert await db.shares.by_id(made.id) is None
    assert await db.shares.by_id(made.id) == made


async def test_a_writer_that_is_cancelled_anywhere_leaves_all_or_nothing(db: SqlDatabase) -> None:
    """Cancelled after the first turn of the event loop, after the second, and so on, whatever it was waiting for."""
    for turns in range(60):
        made, other = record(user_id=f"u{turns}"), record(user_id=f"v{turns}")
        writer = asyncio.create_task(write_rows(db, Writes(new_records=records_by_key(made, other))))
        for _ in range(turns):
            await asyncio.sleep(0)
        writer.cancel()
        await asyncio.wait([writer])
    assert await records(db) % 2 == 0
    await write_rows(db, Writes(new_records=records_by_key(record())))
    assert await records(db) % 2 == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_commit_that_waits_for_the_thread_is_not_dropped_with_its_writer(db: SqlDatabase) -> None:
    long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"
    busy: list[asyncio.Task[object]] = []
    leaving = asyncio.Event()

    async def leaves() -> None:
        async with db.transaction() as tx:
            await tx.write(Writes(new_records=records_by_key(record())))
            busy.append(asyncio.create_task(tx.execute(long, {})))
            await asyncio.sleep(0)
            leaving.set()

    writer = asyncio.create_task(leaves())
    await leaving.wait()
    writer.cancel()
    await asyncio.wait([writer, *busy])
    await write_rows(db, Writes(new_records=records_by_key(record(user_id="berta"))))
    assert await records(db) == 2


@on_servers
async def test_a_transaction_sees_rows_that_others_commit_while_it_runs(db: SqlDatabase) -> None:
    """READ COMMITTED: a row that is locked late is not read from an early snapshot."""
    count = "SELECT count(*) AS n FROM share_records"
    async with db.transaction() as tx:
        assert [dict(row) for row in await tx.execute(count, {})] == [{"n": 0}]
        await write_rows(db, Writes(new_records=records_by_key(record())))
        assert [dict(row) for row in await tx.execute(count, {})] == [{"n": 1}]


@on_servers
async def test_a_cancelled_transaction_returns_its_connection(db: SqlDatabase) -> None:
    """As many transactions as the pool has connections can still be open at once."""
    for turns in range(60):
        waiting = [asyncio.create_task(execute_sql(db, "SELECT 1 AS n")) for _ in range(12)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    met = asyncio.Barrier(10)

    async def meets() -> None:
        async with db.transaction() as tx:
            await tx.execute("SELECT 1 AS n", {})
            await met.wait()

    await asyncio.gather(*(meets() for _ in range(10)))


# locks


async def test_lock_returns_only_existing_rows(db: SqlDatabase) -> None:
    mine, hers, mine_too = record(), record(user_id="berta"), link()
    key, correction = IdempotencyKey(caller="anna", key="k1"), adjustment()
    await write_rows(
        db,
        Writes(
            responses={key: ANSWER},
            new_records=records_by_key(mine, hers),
            new_links=links_by_id(mine_too, link()),
            adjustments={correction.request_key: correction},
        ),
    )
    async with db.transaction() as tx:
        locked = await tx.lock(
            LockSet(
                keys=frozenset(
                    {key, IdempotencyKey(caller="anna", key="k2"), IdempotencyKey(caller="berta", key="k1")}
                ),
                records=frozenset({mine.key, mine.key._replace(platform="email"), mine.key._replace(user_id="Anna")}),
                links=frozenset({mine_too.id, new_id()}),
                adjustments=frozenset({correction.request_key, "another"}),
            )
        )
    assert locked.responses == {key: ANSWER}
    assert locked.records == {mine.key: mine}
    assert locked.links == {mine_too.id: mine_too}
    assert locked.adjustments == {correction.request_key: correction}


async def test_lock_of_nothing_is_nothing(db: SqlDatabase) -> None:
    async with db.transaction() as tx:
        locked = await tx.lock(LockSet())
    assert (locked.responses, locked.records, locked.links, locked.adjustments) == ({}, {}, {}, {})


async def test_lock_of_more_rows_than_one_statement_names(db: SqlDatabase) -> None:
    many = [record(user_id=f"user {each}") for each in range(1_203)]
    await write_rows(db, Writes(new_records=records_by_key(*many)))
    async with db.transaction() as tx:
        locked = await tx.lock(LockSet(records=frozenset(each.key for each in many)))
    assert locked.records == records_by_key(*many)


async def test_the_next_lock_holder_sees_the_changes_of_the_first(db: SqlDatabase) -> None:
    made = record(attempt_count=1)
    await write_rows(db, Writes(new_records=records_by_key(made)))

    async def once_more() -> None:
        async with db.transaction() as tx:
            stands = (await tx.lock(LockSet(records=frozenset({made.key})))).records[made.key]
            after = stands._replace(attempt_count=stands.attempt_count + 1)
            await tx.write(Writes(changed_records=records_by_key(after)))

    await asyncio.gather(*(retry_transient(once_more) for _ in range(20)))
    stands = await db.shares.by_id(made.id)
    assert stands is not None
    assert stands.attempt_count == 21


@on_servers
async def test_rows_are_locked_in_one_order_however_they_are_named(db: SqlDatabase, url: str) -> None:
    many = [record(user_id=f"user {each}") for each in range(30)]
    await write_rows(db, Writes(new_records=records_by_key(*many)))
    keys = [each.key for each in many]

    async def locks(who: SqlDatabase, wanted: list[RecordKey]) -> int:
        async with who.transaction() as tx:
            return len((await tx.lock(LockSet(records=frozenset(wanted)))).records)

    async with open_database(url) as other:
        turns = [(who, wanted) for _ in range(10) for who, wanted in ((db, keys), (other, keys[::-1]))]
        assert await asyncio.gather(*(locks(who, wanted) for who, wanted in turns)) == [30] * 20


@on_servers
async def test_a_deadlock_is_resolved(db: SqlDatabase) -> None:
    one, two = record(user_id="one"), record(user_id="two")
    await write_rows(db, Writes(new_records=records_by_key(one, two)))
    met = asyncio.Barrier(2)

    async def crosswise(first: ShareRecord, then: ShareRecord) -> str:
        try:
            async with db.transaction() as tx:
                await tx.lock(LockSet(records=frozenset({first.key})))
                await met.wait()
                await tx.lock(LockSet(records=frozenset({then.key})))
        except TransientConflict:
            return "again"
        return "done"

    assert sorted(await asyncio.gather(crosswise(one, two), crosswise(two, one))) == ["again", "done"]


@on_servers
async def test_a_deadlock_inside_a_savepoint_ends_the_whole_transaction(db: SqlDatabase) -> None:
    """InnoDB then ends the transaction; later statements would each commit by themselves."""
    one, two = record(user_id="one"), record(user_id="two")
    await write_rows(db, Writes(new_records=records_by_key(one, two)))
    met = asyncio.Barrier(2)

    async def crosswise(first: ShareRecord, then: ShareRecord) -> str:
        try:
            async with db.transaction() as tx:
                await tx.write(Writes(new_records=records_by_key(record(user_id=f"by {first.user_id}"))))
                await tx.lock(LockSet(records=frozenset({first.key})))
                await met.wait()
                async with tx.savepoint():
                    await tx.lock(LockSet(records=frozenset({then.key})))
        except TransientConflict:
            return "again"
        return "done"

    assert sorted(await asyncio.gather(crosswise(one, two), crosswise(two, one))) == ["again", "done"]
    assert await records(db) == 3


# savepoints


async def test_a_part_can_fail_alone(db: SqlDatabase) -> None:
    kept, lost, after = record(user_id="kept"), record(user_id="lost"), record(user_id="after")

    async def part(tx: Transaction, made: ShareRecord, fault: Exception | None = None) -> None:
        async with tx.savepoint():
            await tx.write(Writes(new_records=records_by_key(made)))
            if fault is not None:
                raise fault

    async with db.transaction() as tx:
        await tx.write(Writes(new_records=records_by_key(kept)))
        with pytest.raises(LookupError):
            await part(tx, lost, LookupError())
        with pytest.raises(TransientConflict):
            await part(tx, kept._replace(id=new_id()))
        await part(tx, after)
    assert [await db.shares.by_id(each.id) for each in (kept, lost, after)] == [kept, None, after]


async def test_a_part_of_a_part_can_fail_alone(db: SqlDatabase) -> None:
    outer, inner, last = record(user_id="outer"), record(user_id="inner"), record(user_id="last")

    async def fails(tx: Transaction) -> None:
        async with tx.savepoint():
            await tx.write(Writes(new_records=records_by_key(inner)))
            raise LookupError

    async with db.transaction() as tx, tx.savepoint():
        await tx.write(Writes(new_records=records_by_key(outer)))
        with pytest.raises(LookupError):
            await fails(tx)
        async with tx.savepoint():
            await tx.write(Writes(new_records=records_by_key(last)))
    assert [await db.shares.by_id(each.id) for each in (outer, inner, last)] == [outer, None, last]


# a COMMIT without a reply


async def test_any_audit_entry_proves_that_a_transaction_committed(db: SqlDatabase) -> None:
    lines = [audit_entry(), audit_entry()]
    assert not await db.committed([each.id for each in lines])
    await write_rows(db, Writes(audit=lines))
    assert await db.committed([each.id for each in lines])
    assert await db.committed([lines[1].id])


async def test_committed_is_false_without_audit_ids(db: SqlDatabase) -> None:
    assert not await db.committed([])


async def test_a_rolled_back_transaction_is_not_reported_as_committed(db: SqlDatabase) -> None:
    line = audit_entry()
    with pytest.raises(LookupError):
        await write_and_fail(db, Writes(audit=[line]))
    assert not await db.committed([line.id])


async def test_two_upserts_of_the_same_columns_by_different_rules_are_two_statements(db: SqlDatabase) -> None:
    first, later = AT, AT + timedelta(days=1)
    rules = ({"marked_at": "{marked_at}"}, {"marked_at": "{t}.marked_at"})
    async with db._engine.write_transaction() as connection:
        for at, rule in ((first, rules[0]), (later, rules[1])):
            await connection.upsert(connection.batch(tables.queue_marks, [{"queue": "count", "marked_at": at}]), rule)
    assert await db.events.marks() == {"count": first}
