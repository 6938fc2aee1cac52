"""What the write side stores and what it rejects; values are returned unchanged and compared exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import DataRejected, TransientConflict
from sharetally.domain.event import Cell, Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, Status
from sharetally.ports import AuditFilter, IdempotencyKey, LockSet, StoredResponse, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    SERVERS,
    VIDEO,
    adjustment,
    audit_entry,
    created_event,
    database_url_for,
    execute_sql,
    link,
    links_by_id,
    open_empty_database,
    query_int,
    record,
    records_by_key,
    write_rows,
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


async def records(db: SqlDatabase) -> int:
    return await query_int(db, "SELECT count(*) AS n FROM share_records")


# rejections


@pytest.mark.parametrize("kind", ["record", "link", "code", "adjustment", "job id", "answer", "event"])
async def test_a_duplicate_row_is_a_transient_conflict(db: SqlDatabase, kind: str) -> None:
    made, of, correction = record(), link(), adjustment()
    event, key = created_event(made), IdempotencyKey(caller="anna", key="k")
    await write_rows(
        db,
        Writes(
            responses={key: ANSWER},
            new_records=records_by_key(made),
            new_links=links_by_id(of),
            adjustments={correction.request_key: correction},
            events=[event],
        ),
    )
    twins = {
        "record": Writes(new_records=records_by_key(made._replace(id=new_id()))),
        "link": Writes(new_links=links_by_id(replace(of, code="another"))),
        "code": Writes(new_links=links_by_id(replace(of, id=new_id()))),
        "adjustment": Writes(adjustments={"another": replace(correction, request_key="another")}),
        "job id": Writes(adjustments={correction.request_key: replace(correction, id=new_id())}),
        "answer": Writes(responses={key: ANSWER}),
        "event": Writes(events=[event]),
    }
    with pytest.raises(TransientConflict):
        await write_rows(db, twins[kind])


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
async def test_an_invalid_value_is_refused(db: SqlDatabase, changes: dict[str, object]) -> None:
    with pytest.raises(DataRejected):
        await write_rows(db, Writes(new_records={record().key: record(**changes)}))
    await write_rows(db, Writes(new_records=records_by_key(record())))
    assert await records(db) == 1


@on_servers
@pytest.mark.parametrize("changes", [{"user_id": "x" * 129}, {"platform": "x" * 33}, {"error_message": "x" * 501}])
async def test_a_value_that_is_too_long_is_refused(db: SqlDatabase, changes: dict[str, object]) -> None:
    with pytest.raises(DataRejected):
        await write_rows(db, Writes(new_records=records_by_key(record(**changes))))
    assert await records(db) == 0


async def test_an_invalid_status_is_refused(db: SqlDatabase) -> None:
    made = record()
    await write_rows(db, Writes(new_records=records_by_key(made)))
    with pytest.raises(DataRejected):
        await execute_sql(db, "UPDATE share_records SET status = 'lost' WHERE user_id = :user", user="anna")
    assert await db.shares.by_id(made.id) == made


# values are returned as written


async def test_a_record_is_read_back_in_full(db: SqlDatabase) -> None:
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
    await write_rows(db, Writes(new_records=records_by_key(full, bare)))
    assert await db.shares.by_id(full.id) == full
    assert await db.shares.by_id(bare.id) == bare


async def test_times_in_other_zones_come_back_as_the_same_moment(db: SqlDatabase) -> None:
    ahead = AT.astimezone(datetime.strptime("+0545", "%z").tzinfo)
    made = record(first_shared_at=ahead, last_shared_at=ahead)
    await write_rows(db, Writes(new_records=records_by_key(made)))
    stands = await db.shares.by_id(made.id)
    assert stands is not None
    assert stands.first_shared_at == AT


async def test_a_changed_record_is_written_over_the_old_one(db: SqlDatabase) -> None:
    before, beside = record(error_code="old", external_id="1"), record(user_id="berta")
    await write_rows(db, Writes(new_records=records_by_key(before, beside)))
    after = before._replace(
        status=Status.WITHDRAWN,
        evidence=Evidence.POSTED,
        attempt_count=2,
        error_code=None,
        last_shared_at=AT + timedelta(microseconds=1),
        external_id=None,
    )
    new = record(user_id="carla")
    await write_rows(db, Writes(new_records=records_by_key(new), changed_records=records_by_key(after)))
    assert [await db.shares.by_id(each.id) for each in (after, beside, new)] == [after, beside, new]


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
    await write_rows(db, Writes(new_links=links_by_id(bare, full)))
    assert [await db.links.by_id(bare.id), await db.links.by_id(full.id)] == [bare, full]
    after = replace(bare, channel="x", campaign="y", url="https://example.org/2", updated_at=AT + timedelta(seconds=1))
    await write_rows(db, Writes(changed_links=links_by_id(after)))
    assert [await db.links.by_id(bare.id), await db.links.by_id(full.id)] == [after, full]


async def test_adjustments_come_back_whole(db: SqlDatabase) -> None:
    one = adjustment(-1_000_000, channel="x", campaign="y", evidence="declared", platform="x", reason="weil \U0001f937")
    other = adjustment(1)
    await write_rows(db, Writes(adjustments={each.request_key: each for each in (one, other)}))
    async with db.transaction() as tx:
        found = await tx.lock(LockSet(adjustments=frozenset({one.request_key, other.request_key})))
    assert found.adjustments == {one.request_key: one, other.request_key: other}


async def test_answers_come_back_byte_for_byte(db: SqlDatabase) -> None:
    long = replace(ANSWER, body=bytes(range(256)) * 4_096, headers=())
    answers = {IdempotencyKey(caller="anna", key="k"): ANSWER, IdempotencyKey(caller="anna", key="K"): long}
    await write_rows(db, Writes(responses=answers))
    async with db.transaction() as tx:
        assert (await tx.lock(LockSet(keys=frozenset(answers)))).responses == answers


async def test_the_audit_is_read_back_in_full(db: SqlDatabase) -> None:
    full = audit_entry(actor="key:server", error_code="lost", error_message="nobody knows", status="unknown")
    bare = audit_entry(platform=None, status=None, request_id="")
    await write_rows(db, Writes(audit=[full, bare]))
    found: list[AuditEntry] = await db.audit.page(AuditFilter(), limit=10, after=None)
    assert {each.id: each for each in found} == {full.id: full, bare.id: bare}


async def test_events_come_back_whole(db: SqlDatabase) -> None:
    cell = Cell(evidence="link", channel="x", campaign="y")
    full = created_event(
        link(), job="someones_own", delta=-3, cell_delta=4, to=cell, origin=cell._replace(channel=""), platform="x",
        request_id="r", payload='{"text": "\U0001f600 ' + "x" * 5_000 + '"}',
    )  # fmt: skip
    bare = Event(id=new_id(), job=Job.SHARE_POST, content=VIDEO, at=AT)
    await write_rows(db, Writes(events=[full, bare]))
    async with db.transaction() as tx:
        assert await tx.take([bare.id, full.id]) == [full, bare]


async def test_ids_are_compared_exactly(db: SqlDatabase) -> None:
    """Case, trailing spaces, accents, composition, characters of other planes: each makes a different user."""
    contents = [record(content=ContentRef(type="video", id=each)) for each in EXOTIC]
    users = [record(user_id=each) for each in EXOTIC if each != "abc"]
    await write_rows(db, Writes(new_records=records_by_key(*contents, *users)))
    for each in contents:
        assert await db.shares.of_user(each.content, "anna") == {"twitter": each}
    for each in users:
        assert await db.shares.of_user(VIDEO, each.user_id) == {"twitter": each}
    async with db.transaction() as tx:
        locked = await tx.lock(LockSet(records=frozenset(each.key for each in contents + users)))
    assert locked.records == records_by_key(*contents, *users)


async def test_keys_and_job_ids_are_compared_exactly(db: SqlDatabase) -> None:
    keys = {IdempotencyKey(caller="anna", key=each): replace(ANSWER, body=each.encode()) for each in EXOTIC}
    corrections = {each: adjustment(request_key=each) for each in EXOTIC}
    await write_rows(db, Writes(responses=keys, adjustments=corrections))
    async with db.transaction() as tx:
        found = await tx.lock(LockSet(keys=frozenset(keys), adjustments=frozenset(corrections)))
    assert found.responses == keys
    assert found.adjustments == corrections


# hooks


async def test_a_hook_runs_its_own_sql_in_the_transaction(db: SqlDatabase) -> None:
    await write_rows(
        db, Writes(new_records=records_by_key(record(user_id="50%"), record(user_id="50%%"), record(user_id="x")))
    )
    async with db.transaction() as tx:
        await tx.execute("UPDATE share_records SET attempt_count = :n WHERE user_id = :user", {"n": 9, "user": "50%"})
        found = await tx.execute("SELECT user_id, attempt_count FROM share_records WHERE user_id = '50%'", {})
        assert [dict(row) for row in found] == [{"user_id": "50%", "attempt_count": 9}]
        assert await tx.execute("SELECT 1 AS n FROM share_records WHERE user_id = :user", {"user": "y"}) == []


async def test_an_invalid_statement_is_refused(db: SqlDatabase) -> None:
    with pytest.raises(DataRejected):
        await execute_sql(db, "SELEC 1")
    assert await query_int(db, "SELECT 1 AS n") == 1
