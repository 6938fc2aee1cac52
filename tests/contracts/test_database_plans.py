"""How the databases find rows among many: by index and in the order of the keys, however many keys there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.connection import Connection, Statements
from sharetally.adapters.databases.counting_postgresql import COUNTING
from sharetally.adapters.databases.database import sqlite_path
from sharetally.adapters.databases.driver import Row, Values
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mysql import MysqlEngine
from sharetally.adapters.databases.postgresql import PostgresqlEngine
from sharetally.adapters.databases.sqlite import SqliteEngine
from sharetally.adapters.databases.stores.audit import Branch, branch_statement
from sharetally.adapters.databases.stores.cells import cells
from sharetally.adapters.databases.stores.content_scopes import any_of, only_content
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Event
from sharetally.domain.ids import new_id
from sharetally.domain.share import RecordKey, ShareRecord
from sharetally.ports import AuditFilter, IdempotencyKey, StoredResponse, Writes
from tests.contracts.database_rows import (
    DATABASES,
    audit_entry,
    created_event,
    database_url_for,
    execute_sql,
    open_empty_database,
    record,
    records_by_key,
    write_rows,
)

pytestmark = pytest.mark.anyio

ROWS = 20_000
ANALYZE = {
    "postgresql": "ANALYZE share_records, events, share_audit",
    "mysql": "ANALYZE TABLE share_records, events, share_audit",
}
Populated = tuple[Engine, list[ShareRecord], list[Event]]


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def populated(url: str) -> AsyncIterator[Populated]:
    """Many records of a few hundred content items, all with their events, and up-to-date statistics for the planner."""
    records = [record(content=_content(number), user_id=f"user {number}") for number in range(ROWS)]
    events = [created_event(each) for each in records]
    kind = url.split(":")[0]
    async with open_empty_database(url) as db:
        await write_rows(db, Writes(new_records=records_by_key(*records), events=events, audit=_lines(records)))
        await execute_sql(db, ANALYZE[kind])
    engine = PostgresqlEngine(url) if kind == "postgresql" else MysqlEngine(url)
    await engine.open()
    yield engine, records, events
    await engine.close()


def _content(number: int) -> ContentRef:
    return ContentRef(type="video", id=f"v{number % 500}")


def _lines(records: Sequence[ShareRecord]) -> list[AuditEntry]:
    """Only facebook records are withdrawn, and hardly any failed: single-column statistics do not show this."""
    found = []
    for number, each in enumerate(records):
        kind = {"platform": "facebook", "action": "withdrawn", "status": "withdrawn"} if number % 4 == 0 else {}
        kind = {"action": "failed", "status": "failed"} if number == 77 else kind
        of = {"content": each.content, "user_id": each.user_id, "subject_id": each.id}
        found.append(audit_entry(**of, request_id=each.id.hex, **kind))
    return found


# filter, branch, and the index that serves it
ANYTIME = (UUID(int=0), UUID(int=(1 << 128) - 1))
SEARCHES: tuple[tuple[AuditFilter, Branch, str], ...] = (
    (AuditFilter(), {"content_type": "video", "content_id": "v7"}, "ix_share_audit_content"),
    (AuditFilter(platform="email"), {"content_type": "video", "content_id": "v7"}, "ix_share_audit_content"),
    (AuditFilter(), {"user_id": "user_7%"}, "ix_share_audit_user"),
    (AuditFilter(status="failed"), {"user_id": "user 7"}, "ix_share_audit_user"),
    (AuditFilter(request_id="abc"), {}, "ix_share_audit_request"),
    (AuditFilter(subject_id=UUID(int=7)), {}, "ix_share_audit_subject"),
    (AuditFilter(), {"platform": "twitter", "action": "failed"}, "ix_share_audit_kind"),
    (AuditFilter(), {"platform": "twitter", "action": "withdrawn"}, "ix_share_audit_kind"),
    (AuditFilter(), {"platform": None, "action": "adjusted"}, "ix_share_audit_kind"),
    (AuditFilter(), {"platform": None, "action": "shared"}, "ix_share_audit_kind"),
    (AuditFilter(content_type="photo"), {"platform": "twitter", "action": "shared"}, "ix_share_audit_kind"),
)


async def explain_search(engine: Engine, which: AuditFilter, branch: Branch) -> str:
    """The plan of the statement that searches one branch of the audit."""
    async with engine.read_connection() as connection:
        statement = branch_statement(connection, which, branch, ANYTIME, 51)
    return await explain(engine, statement)


async def explain_select(engine: Engine, table: sa.Table, keys: tuple[str, ...], wanted: Sequence[Values]) -> str:
    """The plan of the statement that locks these keys."""
    columns = tuple(column.name for column in table.columns)
    sql = engine.dialect.select(table, columns, keys, len(wanted), lock=True)
    async with engine.read_connection() as connection:
        bound = Statements(engine.dialect).bind_rows(table, keys, sorted(wanted))
        return _plan(await connection.driver.select(f"{_explain(engine)} {sql}", bound))


async def explain(engine: Engine, statement: sa.Select[*tuple[object, ...]]) -> str:
    sql, arguments, _ = Statements(engine.dialect).compiler.compile(statement, {})
    async with engine.read_connection() as connection:
        return _plan(await connection.driver.fetch(f"{_explain(engine)} {sql}", arguments))


def _explain(engine: Engine) -> str:
    return "EXPLAIN QUERY PLAN" if isinstance(engine, SqliteEngine) else "EXPLAIN"


def _plan(rows: Sequence[object]) -> str:
    return "\n".join(str(dict(row)) for row in rows)  # type: ignore[call-overload]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_postgresql_finds_rows_by_index(populated: Populated) -> None:
    engine, records, events = populated
    for number in (1, 40, 500):
        keys = [each.key for each in records[:: ROWS // number]]
        plan = await explain_select(engine, tables.share_records, RecordKey._fields, keys)
        assert "Index Scan using uq_share_records_key" in plan
        ids = [(each.id,) for each in events[:number]]
        plan = await explain_select(engine, tables.events, ("id",), ids)
        assert "Index Scan using events_pkey" in plan
    for scope in (only_content(_content(7)), any_of([_content(each) for each in range(20)])):
        plan = await explain(engine, cells(scope, ledger=False))
        assert "ix_events_content" in plan
        assert "Seq Scan on events" not in plan

    for which, branch, index in SEARCHES:
        plan = await explain_search(engine, which, branch)
        assert index in plan, (which, plan)
        assert "Seq Scan" not in plan


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_postgresql_plans_for_large_tables_while_they_are_small(url: str) -> None:
    """Plans are cached: a full scan planned while the table was empty would still be used when it is full."""
    async with open_empty_database(url):
        engine = PostgresqlEngine(url)
        await engine.open()
    for number in (1, 40, 500):
        keys = [record(user_id=f"user {each}").key for each in range(number)]
        plan = await explain_select(engine, tables.share_records, RecordKey._fields, keys)
        assert "uq_share_records_key" in plan
        plan = await explain_select(engine, tables.events, ("id",), [(new_id(),) for _ in range(number)])
        assert "events_pkey" in plan
    async with engine.write_transaction() as connection:
        counted = [[new_id() for _ in range(40)], ["share_created"]]
        plan = _plan(await connection.driver.fetch(f"EXPLAIN {COUNTING}", counted))
    assert plan.count("events_pkey") == 2
    assert "Seq Scan on events" not in plan
    await engine.close()


@pytest.mark.parametrize("url", ["mysql"], indirect=True)
async def test_mariadb_finds_rows_by_index_in_its_order(populated: Populated) -> None:
    engine, records, events = populated
    for number in (2, 40, 500):
        keys = [each.key for each in records[:: ROWS // number]]
        plan = await explain_select(engine, tables.share_records, RecordKey._fields, keys)
        assert "'type': 'range'" in plan
        assert "'key': 'uq_share_records_key'" in plan
        assert len(plan.splitlines()) == 1
        ids = [(each.id,) for each in events[:number]]
        plan = await explain_select(engine, tables.events, ("id",), ids)
        assert "'key': 'PRIMARY'" in plan
        assert "'type': 'ALL'" not in plan
    for scope in (only_content(_content(7)), any_of([_content(each) for each in range(20)])):
        plan = await explain(engine, cells(scope, ledger=False))
        scans = [line for line in plan.splitlines() if "'table': 'events'" in line]
        assert len(scans) == 2
        assert all("'key': 'ix_events_content'" in line for line in scans)
    for which, branch, index in SEARCHES:
        plan = await explain_search(engine, which, branch)
        assert f"'key': '{index}'" in plan, (which, plan)
        assert "'type': 'ALL'" not in plan


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_sqlite_searches_by_index(url: str) -> None:
    """This needs no rows: without statistics, the form of the statement decides."""
    async with open_empty_database(url):
        engine = SqliteEngine(sqlite_path(url))
        await engine.open()
    for number in (1, 40):
        keys = [record(user_id=f"user {each}").key for each in range(number)]
        plan = await explain_select(engine, tables.share_records, RecordKey._fields, keys)
        assert "SEARCH share_records USING INDEX" in plan
        plan = await explain_select(engine, tables.events, ("id",), [(new_id(),) for _ in range(number)])
        assert "SEARCH events USING INDEX" in plan
    for scope in (only_content(_content(7)), any_of([_content(each) for each in range(20)])):
        plan = await explain(engine, cells(scope, ledger=False))
        for table in ("events", "share_totals", "share_counts", "share_rollups"):
            assert f"SEARCH {table} USING" in plan
            assert f"SCAN {table}" not in plan
    for which, branch, index in SEARCHES:
        plan = await explain_search(engine, which, branch)
        assert f"SEARCH share_audit USING INDEX {index}" in plan, (which, plan)
        assert "TEMP B-TREE" not in plan or index.endswith(("request", "subject"))
    await engine.close()


PLAN_OF_A_PURGE = {"sqlite": "SEARCH idempotency_keys USING", "postgresql": "Index", "mysql": "'type': 'range'"}


@pytest.mark.parametrize("url", DATABASES, indirect=True)
async def test_old_answers_are_found_by_their_age(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of them are recent: a purge that reads all of them is slower than the writers."""
    answers = [StoredResponse(request_hash=bytes(32), status=status, headers=(), body=b"{}") for status in (200, 201)]
    stored = {IdempotencyKey(caller="anna", key=str(each)): answers[each < 10] for each in range(2_000)}
    plans = list[str]()
    async with open_empty_database(url) as db:
        await write_rows(db, Writes(responses=stored))
        await execute_sql(
            db, "UPDATE idempotency_keys SET created_at = '2020-01-01 00:00:00.000000' WHERE status = 201"
        )
        whole = Connection.run

        async def explains(self: Connection, statement: sa.Delete, parameters: Row | None = None) -> int:
            sql, arguments, _ = self._statements.compiler.compile(statement, parameters or {})
            plans.append(_plan(await self.driver.fetch(f"{_explain(db._engine)} {sql}", arguments)))
            return await whole(self, statement, parameters)

        monkeypatch.setattr(Connection, "run", explains)
        assert await db.responses.purge(3600, at_most=3) == 3
    (plan,) = plans
    assert PLAN_OF_A_PURGE[url.split(":")[0]] in plan, plan
    assert "ix_idempotency_keys_created_at" in plan, plan
    assert "SCAN idempotency_keys" not in plan, plan
    assert "Seq Scan" not in plan, plan
