"""How a claim finds what is due among many rows: by its index, without sorting and without reading the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest
import sqlalchemy as sa

from sharetally.adapters.databases.connection import Connection, Statements
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.sqlite import SqliteEngine
from sharetally.adapters.databases.stores import delivery_rows
from sharetally.adapters.databases.stores.deliveries import CLAIM, DUE, INDEX
from sharetally.ports import Target
from tests.contracts.database_rows import DATABASES, database_url_for, execute_sql, open_empty_database
from tests.contracts.delivery_rows import EPOCH, KINDS, claim, enqueue, insert_waiting, new, registered

pytestmark = pytest.mark.anyio
DEAD_TARGETS = [Target("hook", f"dead {each}", "hook", 4) for each in range(1_000)]
ANALYZE = {
    "postgresql": "ANALYZE delivery_targets, deliveries",
    "mysql": "ANALYZE TABLE delivery_targets, deliveries",
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def fill(db: SqlDatabase, url: str, rows: int) -> None:
    """So many rows wait for 1,000 dead targets, all of them due, and the planner's statistics are up to date."""
    await insert_waiting(db, targets=DEAD_TARGETS, rows_each=rows // 1_000, due_in=-timedelta(hours=1), failing=True)
    if statement := ANALYZE.get(url.split(":")[0]):
        await execute_sql(db, statement)


async def plan(engine: Engine, statement: sa.Select[*tuple[object, ...]], **values: object) -> str:
    """The database's plan of a statement as the store runs it: in a writing transaction."""
    sql, arguments, _ = Statements(engine.dialect).compiler.compile(statement, values)
    explain = "EXPLAIN QUERY PLAN" if isinstance(engine, SqliteEngine) else "EXPLAIN"
    async with engine.write_transaction() as connection:
        return _text(await _fetched(connection, f"{explain} {sql}", arguments))


async def _fetched(connection: Connection, sql: str, arguments: list[object]) -> list[dict[str, object]]:
    return [dict(row) for row in await connection.driver.fetch(sql, arguments)]


def _text(rows: list[dict[str, object]]) -> str:
    return "\n".join(str(row) for row in rows)


async def test_every_statement_of_a_claim_reads_an_index_in_its_order(db: SqlDatabase, url: str) -> None:
    await fill(db, url, 20_000)
    values = {"since": EPOCH, "now": await db.events.now(), "kinds": sorted(KINDS)}
    found = await plan(db._engine, DUE, versions=["linkedin/202609"], **values)
    assert INDEX in found, found
    assert "Seq Scan on delivery_targets" not in found, found
    statements = [await plan(db._engine, CLAIM, gate="hook", failing=each, at_most=32, **values) for each in (0, 1)]
    assert all(INDEX in found for found in statements), statements
    rows = await plan(db._engine, delivery_rows._WAITING, kind="hook", target="dead 7", state="waiting", at_most=2)
    assert "ix_deliveries_due" in rows, rows
    for found in (*statements, rows):
        for word in ("filesort", "temporary", "Sort", "TEMP B-TREE", "Seq Scan", "'type': 'ALL'"):
            assert word not in found, found


async def test_a_healthy_target_next_to_a_hundred_thousand_rows_of_dead_ones(db: SqlDatabase, url: str) -> None:
    await fill(db, url, 100_000)
    worker = await registered(db)
    (written,) = await enqueue(db, new(Target("hook", "healthy", "hook")))
    began = perf_counter()
    claimed = await claim(db, worker, slots=1)
    assert perf_counter() - began < 1
    assert [each.id for each in claimed] == [written.id]  # failing targets come after healthy ones
    await db.deliveries.close_gate("hook", "away")
    await enqueue(db, new(Target("mail", "anna", "mail")))
    began = perf_counter()
    assert [gate.gate for gate in (await db.deliveries.due(KINDS, EPOCH)).gates] == ["mail"]
    assert perf_counter() - began < 1
