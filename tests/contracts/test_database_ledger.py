"""The write side of the database, one suite over all three: transactions, locks, writes and what they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import DataRefused, RunAgain
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, RecordKey, ShareRecord, Status
from sharetally.ports import AuditFilter, CallerKey, References, StoredAnswer, Transaction, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    SERVERS,
    VIDEO,
    adjustment,
    again,
    created,
    emptied,
    entry,
    link,
    number,
    of_links,
    of_records,
    opened,
    record,
    run,
    shared_url,
    write,
)

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)

ASTRAL = "\U0001f3ac"
EXOTIC = [
    "abc",
    "ABC",
    "Abc",
    "abc ",
    "abc  ",
    " abc",
    "äbc",
    "a\u0308bc",
    "ß",
    "ss",
    "straße",
    "STRASSE",
    "ı",
    "i",
    "I",
    "İ",
    "\u00a0",
    " ",
    "日本語",
    ASTRAL,
    ASTRAL * 128,
    "x" * 128,
    "\uffee",
    "'; DROP TABLE events; --",
    "\\",
    "%s",
    "%(id)s",
    ":id",
    "{id}",
    "0",
    "00",
    "1e1",
]
ANSWER = StoredAnswer(
    request_hash=bytes(range(32)),
    status=201,
    headers=(("Location", "/share-links/1"), ("X-Ä", "ö")),
    body=b'{"\x00\xff"}',
)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


async def write_and_fail(db: SqlDatabase, writes: Writes) -> None:
    async with db.transaction() as tx:
        await tx.write(writes)
        raise LookupError


async def records(db: SqlDatabase) -> int:
    return await number(db, "SELECT count(*) AS n FROM share_records")


# transactions


async def test_what_was_written_is_there_once_the_transaction_is_left(db: SqlDatabase) -> None:
    made = record()
    await write(db, Writes(new_records=of_records(made)))
    assert await db.record(made.id) == made


async def test_an_error_takes_everything_back(db: SqlDatabase) -> None:
    with pytest.raises(LookupError):
        await write_and_fail(db, Writes(new_records=of_records(record()), events=[created(record())], audit=[entry()]))
    assert await records(db) == 0
    assert (await db.backlog()).pending == 0
    assert await db.audit(AuditFilter(), limit=1, after=None) == []


async def test_nothing_is_seen_before_the_commit(db: SqlDatabase) -> None:
    made = record()
    async with db.transaction() as tx:
        await tx.write(Writes(new_records=of_records(made)))
        assert await db.record(made.id) is None
    assert await db.record(made.id) == made


async def test_a_writer_that_is_cancelled_anywhere_leaves_all_or_nothing(db: SqlDatabase) -> None:
    """Cancelled after the first turn of the loop, after the second, … whatever it was waiting for."""
    for turns in range(60):
        made, other = record(user_id=f"u{turns}"), record(user_id=f"v{turns}")
        writer = asyncio.create_task(write(db, Writes(new_records=of_records(made, other))))
        for _ in range(turns):
            await asyncio.sleep(0)
        writer.cancel()
        await asyncio.wait([writer])
    assert await records(db) % 2 == 0
    await write(db, Writes(new_records=of_records(record())))
    assert await records(db) % 2 == 1


@on_servers
async def test_a_transaction_sees_what_others_commit_meanwhile(db: SqlDatabase) -> None:
    """READ COMMITTED: what is locked late is not judged by an early snapshot."""
    count = "SELECT count(*) AS n FROM share_records"
    async with db.transaction() as tx:
        assert [dict(row) for row in await tx.execute(count, {})] == [{"n": 0}]
        await write(db, Writes(new_records=of_records(record())))
        assert [dict(row) for row in await tx.execute(count, {})] == [{"n": 1}]


@on_servers
async def test_whoever_is_cancelled_gives_the_connection_back(db: SqlDatabase) -> None:
    """As many transactions as the pool has connections can still be open at once."""
    for turns in range(60):
        waiting = [asyncio.create_task(run(db, "SELECT 1 AS n")) for _ in range(12)]
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


async def test_lock_returns_what_stands_and_nothing_else(db: SqlDatabase) -> None:
    mine, hers, mine_too = record(), record(user_id="berta"), link()
    key, correction = CallerKey(caller="anna", key="k1"), adjustment()
    await write(
        db,
        Writes(
            answers={key: ANSWER},
            new_records=of_records(mine, hers),
            new_links=of_links(mine_too, link()),
            adjustments={correction.request_key: correction},
        ),
    )
    async with db.transaction() as tx:
        locked = await tx.lock(
            References(
                keys=frozenset({key, CallerKey(caller="anna", key="k2"), CallerKey(caller="berta", key="k1")}),
                records=frozenset({mine.key, replace(mine.key, platform="email"), replace(mine.key, user_id="Anna")}),
                links=frozenset({mine_too.id, new_id()}),
                adjustments=frozenset({correction.request_key, "another"}),
            )
        )
    assert locked.answers == {key: ANSWER}
    assert locked.records == {mine.key: mine}
    assert locked.links == {mine_too.id: mine_too}
    assert locked.adjustments == {correction.request_key: correction}


async def test_lock_of_nothing_is_nothing(db: SqlDatabase) -> None:
    async with db.transaction() as tx:
        locked = await tx.lock(References())
    assert (locked.answers, locked.records, locked.links, locked.adjustments) == ({}, {}, {}, {})


async def test_lock_of_more_rows_than_one_statement_names(db: SqlDatabase) -> None:
    many = [record(user_id=f"user {each}") for each in range(1_203)]
    await write(db, Writes(new_records=of_records(*many)))
    async with db.transaction() as tx:
        locked = await tx.lock(References(records=frozenset(each.key for each in many)))
    assert locked.records == of_records(*many)


async def test_who_locks_first_is_seen_by_who_locks_next(db: SqlDatabase) -> None:
    made = record(attempt_count=1)
    await write(db, Writes(new_records=of_records(made)))

    async def once_more() -> None:
        async with db.transaction() as tx:
            stands = (await tx.lock(References(records=frozenset({made.key})))).records[made.key]
            after = replace(stands, attempt_count=stands.attempt_count + 1)
            await tx.write(Writes(changed_records=of_records(after)))

    await asyncio.gather(*(again(once_more) for _ in range(20)))
    stands = await db.record(made.id)
    assert stands is not None
    assert stands.attempt_count == 21


@on_servers
async def test_rows_are_locked_in_one_order_however_they_are_named(db: SqlDatabase, url: str) -> None:
    many = [record(user_id=f"user {each}") for each in range(30)]
    await write(db, Writes(new_records=of_records(*many)))
    keys = [each.key for each in many]

    async def locks(who: SqlDatabase, wanted: list[RecordKey]) -> int:
        async with who.transaction() as tx:
            return len((await tx.lock(References(records=frozenset(wanted)))).records)

    async with opened(url) as other:
        turns = [(who, wanted) for _ in range(10) for who, wanted in ((db, keys), (other, keys[::-1]))]
        assert await asyncio.gather(*(locks(who, wanted) for who, wanted in turns)) == [30] * 20


@on_servers
async def test_two_that_lock_crosswise_do_not_wait_for_ever(db: SqlDatabase) -> None:
    one, two = record(user_id="one"), record(user_id="two")
    await write(db, Writes(new_records=of_records(one, two)))
    met = asyncio.Barrier(2)

    async def crosswise(first: ShareRecord, then: ShareRecord) -> str:
        try:
            async with db.transaction() as tx:
                await tx.lock(References(records=frozenset({first.key})))
                await met.wait()
                await tx.lock(References(records=frozenset({then.key})))
        except RunAgain:
            return "again"
        return "done"

    assert sorted(await asyncio.gather(crosswise(one, two), crosswise(two, one))) == ["again", "done"]


@on_servers
async def test_a_deadlock_inside_a_savepoint_ends_the_whole_transaction(db: SqlDatabase) -> None:
    """InnoDB ends the transaction with it; what came after would commit by itself, one statement at a time."""
    one, two = record(user_id="one"), record(user_id="two")
    await write(db, Writes(new_records=of_records(one, two)))
    met = asyncio.Barrier(2)

    async def crosswise(first: ShareRecord, then: ShareRecord) -> str:
        try:
            async with db.transaction() as tx:
                await tx.write(Writes(new_records=of_records(record(user_id=f"by {first.user_id}"))))
                await tx.lock(References(records=frozenset({first.key})))
                await met.wait()
                async with tx.savepoint():
                    await tx.lock(References(records=frozenset({then.key})))
        except RunAgain:
            return "again"
        return "done"

    assert sorted(await asyncio.gather(crosswise(one, two), crosswise(two, one))) == ["again", "done"]
    assert await records(db) == 3


# refusals


@pytest.mark.parametrize("kind", ["record", "link", "code", "adjustment", "job id", "answer", "event"])
async def test_a_row_that_is_there_already_means_run_again(db: SqlDatabase, kind: str) -> None:
    made, of, correction = record(), link(), adjustment()
    event, key = created(made), CallerKey(caller="anna", key="k")
    await write(
        db,
        Writes(
            answers={key: ANSWER},
            new_records=of_records(made),
            new_links=of_links(of),
            adjustments={correction.request_key: correction},
            events=[event],
        ),
    )
    twins = {
        "record": Writes(new_records=of_records(replace(made, id=new_id()))),
        "link": Writes(new_links=of_links(replace(of, code="another"))),
        "code": Writes(new_links=of_links(replace(of, id=new_id()))),
        "adjustment": Writes(adjustments={"another": replace(correction, request_key="another")}),
        "job id": Writes(adjustments={correction.request_key: replace(correction, id=new_id())}),
        "answer": Writes(answers={key: ANSWER}),
        "event": Writes(events=[event]),
    }
    with pytest.raises(RunAgain):
        await write(db, twins[kind])


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt_count": None},
        {"attempt_count": 2**63},
        {"user_id": "\ud800"},
        {"platform": "\udc80"},
    ],
    ids=["missing", "too large", "half a pair", "another half"],
)
async def test_a_value_that_is_none_is_refused(db: SqlDatabase, changes: dict[str, object]) -> None:
    with pytest.raises(DataRefused):
        await write(db, Writes(new_records={record().key: record(**changes)}))
    await write(db, Writes(new_records=of_records(record())))
    assert await records(db) == 1


@on_servers
@pytest.mark.parametrize("changes", [{"user_id": "x" * 129}, {"platform": "x" * 33}, {"error_message": "x" * 501}])
async def test_a_value_that_is_too_long_is_refused(db: SqlDatabase, changes: dict[str, object]) -> None:
    with pytest.raises(DataRefused):
        await write(db, Writes(new_records=of_records(record(**changes))))
    assert await records(db) == 0


async def test_a_status_that_is_none_is_refused(db: SqlDatabase) -> None:
    made = record()
    await write(db, Writes(new_records=of_records(made)))
    with pytest.raises(DataRefused):
        await run(db, "UPDATE share_records SET status = 'lost' WHERE user_id = :user", user="anna")
    assert await db.record(made.id) == made


# what is written comes back


async def test_a_record_comes_back_whole(db: SqlDatabase) -> None:
    full = record(
        status=Status.FAILED,
        evidence=Evidence.POSTED,
        attempt_count=7,
        error_code="rejected",
        error_message="Zeile eins\nline two \U0001f61e",
        first_shared_at=datetime(2026, 1, 1, tzinfo=UTC),
        last_shared_at=datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        external_id="42",
        external_url="https://x.com/anna/status/42?a=1%2F2",
    )
    bare = record(user_id="berta", status=Status.PENDING, first_shared_at=None, last_shared_at=None)
    await write(db, Writes(new_records=of_records(full, bare)))
    assert await db.record(full.id) == full
    assert await db.record(bare.id) == bare


async def test_times_in_other_zones_come_back_as_the_same_moment(db: SqlDatabase) -> None:
    ahead = AT.astimezone(datetime.strptime("+0545", "%z").tzinfo)
    made = record(first_shared_at=ahead, last_shared_at=ahead)
    await write(db, Writes(new_records=of_records(made)))
    stands = await db.record(made.id)
    assert stands is not None
    assert stands.first_shared_at == AT


async def test_a_changed_record_is_written_over_the_old_one(db: SqlDatabase) -> None:
    before, beside = record(error_code="old", external_id="1"), record(user_id="berta")
    await write(db, Writes(new_records=of_records(before, beside)))
    after = replace(
        before,
        status=Status.WITHDRAWN,
        evidence=Evidence.POSTED,
        attempt_count=2,
        error_code=None,
        last_shared_at=AT + timedelta(microseconds=1),
        external_id=None,
    )
    new = record(user_id="carla")
    await write(db, Writes(new_records=of_records(new), changed_records=of_records(after)))
    assert [await db.record(each.id) for each in (after, beside, new)] == [after, beside, new]


async def test_links_come_back_whole_before_and_after_a_change(db: SqlDatabase) -> None:
    bare = link()
    full = link(
        channel="news.letter",
        campaign="Sommer_26",
        expires_at=AT + timedelta(days=1),
        record_id=new_id(),
        deleted_at=AT,
        url="https://example.org/ä?q=%25&r='",
    )
    await write(db, Writes(new_links=of_links(bare, full)))
    assert [await db.link(bare.id), await db.link(full.id)] == [bare, full]
    after = replace(bare, channel="x", campaign="y", url="https://example.org/2", updated_at=AT + timedelta(seconds=1))
    await write(db, Writes(changed_links=of_links(after)))
    assert [await db.link(bare.id), await db.link(full.id)] == [after, full]


async def test_adjustments_come_back_whole(db: SqlDatabase) -> None:
    one = adjustment(-1_000_000, channel="x", campaign="y", evidence="declared", platform="x", reason="weil \U0001f937")
    other = adjustment(1)
    await write(db, Writes(adjustments={each.request_key: each for each in (one, other)}))
    async with db.transaction() as tx:
        found = await tx.lock(References(adjustments=frozenset({one.request_key, other.request_key})))
    assert found.adjustments == {one.request_key: one, other.request_key: other}


async def test_answers_come_back_byte_for_byte(db: SqlDatabase) -> None:
    long = replace(ANSWER, body=bytes(range(256)) * 4_096, headers=())
    answers = {CallerKey(caller="anna", key="k"): ANSWER, CallerKey(caller="anna", key="K"): long}
    await write(db, Writes(answers=answers))
    async with db.transaction() as tx:
        assert (await tx.lock(References(keys=frozenset(answers)))).answers == answers


async def test_the_audit_comes_back_whole(db: SqlDatabase) -> None:
    full = entry(actor="key:server", error_code="lost", error_message="nobody knows", status="unknown")
    bare = entry(platform=None, status=None, request_id="")
    await write(db, Writes(audit=[full, bare]))
    found: list[AuditEntry] = await db.audit(AuditFilter(), limit=10, after=None)
    assert {each.id: each for each in found} == {full.id: full, bare.id: bare}


async def test_events_come_back_whole(db: SqlDatabase) -> None:
    cell = Cell(evidence="link", channel="x", campaign="y")
    full = created(
        link(), job="someones_own", delta=-3, moved=4, to=cell, origin=replace(cell, channel=""), platform="x",
        request_id="r", payload='{"text": "\U0001f600 ' + "x" * 5_000 + '"}',
    )  # fmt: skip
    bare = Event(id=new_id(), job=Job.SHARE_POST, content=VIDEO, at=AT)
    await write(db, Writes(events=[full, bare]))
    async with db.transaction() as tx:
        assert await tx.take([bare.id, full.id]) == [full, bare]


async def test_ids_are_compared_exactly(db: SqlDatabase) -> None:
    """Case, trailing spaces, accents, composition, signs of other planes: each is somebody else."""
    contents = [record(content=ContentRef(type="video", id=each)) for each in EXOTIC]
    users = [record(user_id=each) for each in EXOTIC if each != "abc"]
    await write(db, Writes(new_records=of_records(*contents, *users)))
    for each in contents:
        assert await db.records_of(each.content, "anna") == {"twitter": each}
    for each in users:
        assert await db.records_of(VIDEO, each.user_id) == {"twitter": each}
    async with db.transaction() as tx:
        locked = await tx.lock(References(records=frozenset(each.key for each in contents + users)))
    assert locked.records == of_records(*contents, *users)


async def test_keys_and_job_ids_are_compared_exactly(db: SqlDatabase) -> None:
    keys = {CallerKey(caller="anna", key=each): replace(ANSWER, body=each.encode()) for each in EXOTIC}
    corrections = {each: adjustment(request_key=each) for each in EXOTIC}
    await write(db, Writes(answers=keys, adjustments=corrections))
    async with db.transaction() as tx:
        found = await tx.lock(References(keys=frozenset(keys), adjustments=frozenset(corrections)))
    assert found.answers == keys
    assert found.adjustments == corrections


# hooks


async def test_a_hook_runs_its_own_sql_in_the_transaction(db: SqlDatabase) -> None:
    await write(db, Writes(new_records=of_records(record(user_id="50%"), record(user_id="50%%"), record(user_id="x"))))
    async with db.transaction() as tx:
        await tx.execute("UPDATE share_records SET attempt_count = :n WHERE user_id = :user", {"n": 9, "user": "50%"})
        found = await tx.execute("SELECT user_id, attempt_count FROM share_records WHERE user_id = '50%'", {})
        assert [dict(row) for row in found] == [{"user_id": "50%", "attempt_count": 9}]
        assert await tx.execute("SELECT 1 AS n FROM share_records WHERE user_id = :user", {"user": "y"}) == []


async def test_a_statement_that_is_none_is_refused(db: SqlDatabase) -> None:
    with pytest.raises(DataRefused):
        await run(db, "SELEC 1")
    assert await number(db, "SELECT 1 AS n") == 1


async def test_a_part_can_fail_alone(db: SqlDatabase) -> None:
    kept, lost, after = record(user_id="kept"), record(user_id="lost"), record(user_id="after")

    async def part(tx: Transaction, made: ShareRecord, fault: Exception | None = None) -> None:
        async with tx.savepoint():
            await tx.write(Writes(new_records=of_records(made)))
            if fault is not None:
                raise fault

    async with db.transaction() as tx:
        await tx.write(Writes(new_records=of_records(kept)))
        with pytest.raises(LookupError):
            await part(tx, lost, LookupError())
        with pytest.raises(RunAgain):
            await part(tx, replace(kept, id=new_id()))
        await part(tx, after)
    assert [await db.record(each.id) for each in (kept, lost, after)] == [kept, None, after]


async def test_a_part_of_a_part_can_fail_alone(db: SqlDatabase) -> None:
    outer, inner, last = record(user_id="outer"), record(user_id="inner"), record(user_id="last")

    async def fails(tx: Transaction) -> None:
        async with tx.savepoint():
            await tx.write(Writes(new_records=of_records(inner)))
            raise LookupError

    async with db.transaction() as tx, tx.savepoint():
        await tx.write(Writes(new_records=of_records(outer)))
        with pytest.raises(LookupError):
            await fails(tx)
        async with tx.savepoint():
            await tx.write(Writes(new_records=of_records(last)))
    assert [await db.record(each.id) for each in (outer, inner, last)] == [outer, None, last]


# a COMMIT that nobody answered


async def test_committed_is_told_by_any_line_of_the_audit(db: SqlDatabase) -> None:
    lines = [entry(), entry()]
    assert not await db.committed([each.id for each in lines])
    await write(db, Writes(audit=lines))
    assert await db.committed([each.id for each in lines])
    assert await db.committed([lines[1].id])


async def test_nothing_to_look_for_is_not_committed(db: SqlDatabase) -> None:
    assert not await db.committed([])


async def test_what_was_rolled_back_is_not_committed(db: SqlDatabase) -> None:
    line = entry()
    with pytest.raises(LookupError):
        await write_and_fail(db, Writes(audit=[line]))
    assert not await db.committed([line.id])
