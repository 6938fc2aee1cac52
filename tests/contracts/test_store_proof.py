"""The invariant, checked and repaired: counted + pending = ledger, cell by cell, on a database that is in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.database import SqlDatabase, sqlite_path
from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mysql import MysqlEngine
from sharetally.adapters.databases.postgresql import PostgresqlEngine
from sharetally.adapters.databases.sqlite import SqliteEngine
from sharetally.adapters.databases.stores.cells import cells
from sharetally.adapters.databases.stores.content_scopes import all_contents
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Job
from sharetally.domain.ids import new_id
from sharetally.domain.proof import CellProof, VerificationResult
from sharetally.domain.share import Action, Evidence, Status
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    VIDEO,
    adjusted_event,
    adjustment,
    audit_entry,
    count_events,
    created_event,
    database_url_for,
    deleted_event,
    execute_sql,
    insert_shares,
    link,
    links_by_id,
    moved_event,
    open_empty_database,
    record,
    records_by_key,
    retry_transient,
    session,
    write_rows,
)

pytestmark = pytest.mark.anyio
Drift = dict[tuple[str, str], int]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def verify_content(db: SqlDatabase, content: ContentRef | None = None) -> VerificationResult:
    return await db.proof.verify(content, lambda _: None)


def drift_of(verdict: VerificationResult, content: ContentRef = VIDEO) -> Drift:
    """The drift of this content item; no other may have any."""
    assert {cell.content for cell in verdict.drifted} <= {content}
    return {(cell.dimension, cell.value): cell.drift for cell in verdict.drifted}


async def correct(db: SqlDatabase, amount: int) -> None:
    line = adjustment(amount)
    await write_rows(db, Writes(adjustments={line.request_key: line}, events=[adjusted_event(line)]))


async def count_all(db: SqlDatabase) -> None:
    """Burn all pending events."""
    jobs = [job for job in Job if job is not Job.SHARE_POST]
    while heads := await db.events.claim(jobs, None, 500):
        await count_events(db, [created_event(record(), id=head.id) for head in heads])


async def seed_everything(db: SqlDatabase) -> None:
    """VIDEO: two records, a link and an adjustment of 10, all counted; ARTICLE is correct too."""
    await insert_shares(db, record(), record(user_id="berta", platform="email"), link(channel="x", campaign="summer"))
    await insert_shares(db, record(content=ARTICLE))
    await correct(db, 10)
    await count_all(db)


# verification


async def test_an_empty_database_has_no_drift(db: SqlDatabase) -> None:
    assert await verify_content(db) == VerificationResult(content_items=0, drifted=())
    proofs, _ = await db.proof.cells(VIDEO)
    assert proofs == []


async def test_every_kind_of_share_verifies_before_and_after_counting(db: SqlDatabase) -> None:
    kept, gone, proven = record(), record(user_id="berta"), record(user_id="carla", platform="email")
    handed, patched, taken = link(), link(channel="x"), link(campaign="summer")
    owned = link(record_id=kept.id)
    await write_rows(db, Writes(new_links=links_by_id(owned)))
    await insert_shares(db, kept, gone, proven, handed, patched, taken, record(content=ARTICLE))
    await correct(db, -7)
    assert (await verify_content(db)).drifted == ()
    after = (
        gone._replace(status=Status.WITHDRAWN),
        proven._replace(evidence=Evidence.POSTED),
        replace(patched, channel="y", campaign="autumn"),
        replace(taken, deleted_at=AT),
    )
    proof = moved_event(after[1], created_event(proven).to or handed.cell, platform="email")
    events = [deleted_event(gone), proof, moved_event(after[2], patched.cell), deleted_event(taken)]
    changes = Writes(changed_records=records_by_key(*after[:2]), changed_links=links_by_id(*after[2:]), events=events)
    await write_rows(db, changes)
    assert await verify_content(db) == VerificationResult(content_items=2, drifted=())
    await db.events.park(events[1].id, "poison")
    await count_all(db)
    assert await verify_content(db) == VerificationResult(content_items=2, drifted=())
    assert (await db.events.backlog()).parked == 1


async def test_a_proof_names_the_total_and_every_cell(db: SqlDatabase) -> None:
    await count_events(db, await insert_shares(db, record()))
    await insert_shares(db, link(channel="x"))
    proofs, at = await db.proof.cells(VIDEO)
    assert [(cell.cell, cell.value, cell.counted, cell.pending, cell.ledger) for cell in proofs] == [
        ("total", "", 1, 1, 2),
        ("evidence:declared", "declared", 1, 0, 1),
        ("evidence:link", "link", 0, 1, 1),
        ("channel:twitter", "twitter", 1, 0, 1),
        ("channel:x", "x", 0, 1, 1),
        ("campaign:none", "", 1, 1, 2),
        ("platform:twitter", "twitter", 1, 0, 1),
        ("rollup", "twitter/declared", 1, 0, 1),
        ("rollup", "x/link", 0, 1, 1),
    ]
    assert abs(at - await db.events.now()) < timedelta(seconds=30)


async def test_one_content_is_looked_at_alone(db: SqlDatabase) -> None:
    await seed_everything(db)
    await execute_sql(db, "UPDATE share_totals SET shares = 99 WHERE content_type = 'video'")
    assert await verify_content(db, ARTICLE) == VerificationResult(content_items=1, drifted=())
    assert drift_of(await verify_content(db, VIDEO)) == {("total", ""): 86}


async def test_a_verification_reports_its_progress(db: SqlDatabase) -> None:
    contents = [ContentRef(type=kind, id=f"{number:04}") for kind in ("a", "video") for number in range(1_150)]
    await count_events(db, await insert_shares(db, *(link(content=each) for each in contents)))
    await insert_shares(db, link(content=ContentRef(type="b", id="never counted")))
    await execute_sql(db, "UPDATE share_totals SET shares = 5 WHERE content_type = 'video' AND content_id = '0007'")
    await execute_sql(db, "DELETE FROM share_totals WHERE content_type = 'video' AND content_id = '1149'")
    told: list[int] = []
    verdict = await db.proof.verify(None, told.append)
    off = {(cell.content.id, cell.cell, cell.drift) for cell in verdict.drifted}
    assert off == {("0007", "total", 4), ("1149", "total", -1)}
    assert told == sorted(told)
    assert told[-1] == verdict.content_items == 2_300


# what is broken is named, and nothing else

BROKEN: dict[str, tuple[str, Drift]] = {
    "total": ("UPDATE share_totals SET shares = shares + 3 WHERE content_type = 'video'", {("total", ""): 3}),
    "evidence": (
        "UPDATE share_counts SET shares = shares - 1 WHERE content_type = 'video' AND value = 'declared'",
        {("evidence", "declared"): -1},
    ),
    "channel": (
        "UPDATE share_counts SET shares = 0 WHERE content_type = 'video' AND dimension = 'channel' AND value = 'x'",
        {("channel", "x"): -1},
    ),
    "campaign": (
        "UPDATE share_counts SET shares = 7 WHERE content_type = 'video' AND value = 'summer'",
        {("campaign", "summer"): 6},
    ),
    "platform": (
        "UPDATE share_counts SET shares = -1 WHERE content_type = 'video' AND dimension = 'platform' "
        "AND value = 'email'",
        {("platform", "email"): -2},
    ),
    "rollup": (
        "UPDATE share_rollups SET made = made + 2 WHERE content_type = 'video' AND channel = 'twitter'",
        {("rollup", "twitter/declared"): 2},
    ),
    "rollup, withdrawn": (
        "UPDATE share_rollups SET withdrawn = withdrawn + 2 WHERE content_type = 'video' AND channel = 'x'",
        {("rollup", "x/link"): -2},
    ),
    "no total": ("DELETE FROM share_totals WHERE content_type = 'video'", {("total", ""): -13}),
    "no cell": (
        "DELETE FROM share_counts WHERE content_type = 'video' AND dimension = 'channel' AND value = ''",
        {("channel", ""): -10},
    ),
    "no bucket": (
        "DELETE FROM share_rollups WHERE content_type = 'video' AND channel = 'email'",
        {("rollup", "email/declared"): -1},
    ),
    "a cell of nobody's": (
        "UPDATE share_counts SET value = 'ghost' WHERE content_type = 'video' AND value = 'summer'",
        {("campaign", "summer"): -1, ("campaign", "ghost"): 1},
    ),
    "no record": (
        "DELETE FROM share_records WHERE content_type = 'video' AND user_id = 'anna'",
        {
            ("total", ""): 1,
            ("evidence", "declared"): 1,
            ("channel", "twitter"): 1,
            ("campaign", ""): 1,
            ("platform", "twitter"): 1,
            ("rollup", "twitter/declared"): 1,
        },
    ),
    "no link": (
        "DELETE FROM share_links WHERE content_type = 'video'",
        {
            ("total", ""): 1,
            ("evidence", "link"): 1,
            ("channel", "x"): 1,
            ("campaign", "summer"): 1,
            ("rollup", "x/link"): 1,
        },
    ),
    "no correction": (
        "DELETE FROM adjustments WHERE content_type = 'video'",
        {
            ("total", ""): 10,
            ("evidence", "adjusted"): 10,
            ("channel", ""): 10,
            ("campaign", ""): 10,
            ("rollup", "/adjusted"): 10,
        },
    ),
    "a move of the evidence that has no event": (
        "UPDATE share_records SET evidence = 'posted' WHERE content_type = 'video' AND user_id = 'anna'",
        {
            ("evidence", "declared"): 1,
            ("evidence", "posted"): -1,
            ("rollup", "twitter/declared"): 1,
            ("rollup", "twitter/posted"): -1,
        },
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_each_kind_of_drift_is_reported_and_repaired(db: SqlDatabase, kind: str) -> None:
    statement, wanted = BROKEN[kind]
    await seed_everything(db)
    assert await verify_content(db) == VerificationResult(content_items=2, drifted=())
    await execute_sql(db, statement)
    verdict = await verify_content(db)
    assert drift_of(verdict) == wanted
    assert verdict.drift == sum(map(abs, wanted.values()))
    lines = [audit_entry(action=Action.REPAIRED.value, actor="ops") for _ in verdict.drifted]
    repaired = [await db.proof.repair(cell, line) for cell, line in zip(verdict.drifted, lines, strict=True)]
    assert repaired == [-cell.drift for cell in verdict.drifted]
    assert (await verify_content(db)).drifted == ()
    told = await db.audit.page(AuditFilter(action="repaired"), limit=20, after=None)
    assert {each.id for each in told} == {each.id for each in lines}


async def test_a_lost_event_is_detected(db: SqlDatabase) -> None:
    await seed_everything(db)
    await insert_shares(db, link())
    await execute_sql(db, "DELETE FROM events")
    assert drift_of(await verify_content(db)) == {
        ("total", ""): -1,
        ("evidence", "link"): -1,
        ("channel", ""): -1,
        ("campaign", ""): -1,
        ("rollup", "/link"): -1,
    }


async def test_a_wrong_event_delta_is_detected(db: SqlDatabase) -> None:
    await seed_everything(db)
    await insert_shares(db, record(user_id="carla"))
    await execute_sql(db, "UPDATE events SET delta = 5")
    assert drift_of(await verify_content(db)) == {("total", ""): 4, ("platform", "twitter"): 4}


# the repair


async def broken_total(db: SqlDatabase, amount: int) -> CellProof:
    """A verification that finds only the total wrong, by this amount."""
    await execute_sql(
        db, "UPDATE share_totals SET shares = shares + :amount WHERE content_type = 'video'", amount=amount
    )
    (cell,) = (await verify_content(db)).drifted
    return cell


async def test_a_repair_raises_the_version(db: SqlDatabase) -> None:
    await seed_everything(db)
    before = (await db.counts.stored([VIDEO]))[0].version
    await db.proof.repair(await broken_total(db, 4), audit_entry())
    (after,) = await db.counts.stored([VIDEO])
    assert (after.shares, after.version > before) == (13, True)


async def test_a_repeated_repair_changes_nothing(db: SqlDatabase) -> None:
    await seed_everything(db)
    cell = await broken_total(db, 4)
    first, second = audit_entry(), audit_entry()
    assert [await db.proof.repair(cell, first), await db.proof.repair(cell, second)] == [-4, 0]
    assert await db.audit.page(AuditFilter(), limit=10, after=None) == [first]


async def test_a_repair_uses_the_current_rows(db: SqlDatabase) -> None:
    await seed_everything(db)
    cell = await broken_total(db, 4)
    await execute_sql(db, "UPDATE share_totals SET shares = shares - 3 WHERE content_type = 'video'")
    assert await db.proof.repair(cell, audit_entry()) == -1
    assert (await verify_content(db)).drifted == ()


async def test_a_repair_during_counting_loses_nothing(db: SqlDatabase) -> None:
    await seed_everything(db)
    await execute_sql(
        db, "UPDATE share_counts SET shares = shares + 5 WHERE content_type = 'video' AND dimension = 'channel'"
    )
    await execute_sql(db, "DELETE FROM share_totals WHERE content_type = 'video'")
    drifted = (await verify_content(db)).drifted
    assert len(drifted) == 5
    batches = [await insert_shares(db, record(user_id=f"u{n}"), link()) for n in range(40)]
    counting = [count_events(db, batch) for batch in batches]
    repairing = [retry_transient(lambda cell=cell: db.proof.repair(cell, audit_entry())) for cell in drifted]  # type: ignore[misc]
    done = await asyncio.gather(*counting[:20], *repairing, *counting[20:])
    assert [each for each in done if isinstance(each, int)] == [-cell.drift for cell in drifted]
    assert await verify_content(db) == VerificationResult(content_items=2, drifted=())
    assert (await db.counts.stored([VIDEO]))[0].shares == 13 + 80


# verification during writing and counting


async def test_a_verification_during_counting_reports_no_false_drift(db: SqlDatabase) -> None:
    await seed_everything(db)

    async def writes_and_counts(worker: int) -> None:
        for number in range(6):
            made = record(user_id=f"u{worker}-{number}")
            events = await retry_transient(lambda made=made: insert_shares(db, made))  # type: ignore[misc]
            await count_events(db, events)
            gone = made._replace(status=Status.WITHDRAWN)
            goes = deleted_event(gone)
            changes = Writes(changed_records=records_by_key(gone), events=[goes])
            await retry_transient(lambda changes=changes: write_rows(db, changes))  # type: ignore[misc]
            await count_events(db, [goes])

    working = asyncio.gather(*(writes_and_counts(worker) for worker in range(3)))
    while not working.done():
        assert (await verify_content(db)).drifted == ()
        proofs, _ = await db.proof.cells(VIDEO)
        assert [cell for cell in proofs if cell.drift] == []
    await working


def engine(url: str) -> Engine:
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return SqliteEngine(sqlite_path(url))
    return PostgresqlEngine(url) if scheme == "postgresql" else MysqlEngine(url)


async def test_a_snapshot_does_not_see_later_commits(db: SqlDatabase, url: str) -> None:
    """At READ COMMITTED there would be none: each statement would see the newest data."""
    await seed_everything(db)
    looking = engine(url)
    await looking.open()
    try:
        async with looking.snapshot() as connection:
            before = await connection.rows(cells(all_contents))
            await count_events(
                db, await insert_shares(db, record(user_id="carla"), record(content=ARTICLE, user_id="carla"))
            )
            await correct(db, 100)
            assert await connection.rows(cells(all_contents)) == before
        async with looking.snapshot() as connection:
            assert await connection.rows(cells(all_contents)) != before
    finally:
        await looking.close()


# after a restore


async def test_after_a_restore_versions_rise_and_sent_marks_are_cleared(db: SqlDatabase) -> None:
    await seed_everything(db)
    (waits,) = await insert_shares(db, link())
    await db.events.mark("count", AT)
    await execute_sql(db, "UPDATE share_totals SET version = 17 WHERE content_type = 'video'")
    ahead = 4_000_000_000_000_000
    await execute_sql(db, "UPDATE share_totals SET version = :ahead WHERE content_type = 'article'", ahead=ahead)
    before = await db.events.now()
    await db.sessions.add(session())
    worker = new_id()
    await db.deliveries.register(worker, "1.0")
    assert await db.proof.reset_after_restore() == 2
    assert not await db.deliveries.heartbeat(worker, 0), "it may hold what the backup does not know it has finished"
    assert await db.sessions.all() == [], "it may have ended since the backup"
    video, article = await db.counts.stored([VIDEO, ARTICLE])
    assert video.version >= int(before.timestamp() * 1_000_000) - 2_000  # SQLite's clock has milliseconds
    assert article.version == ahead + 1
    assert await db.events.marks() == {}
    assert await db.events.claim([waits.job], before - timedelta(seconds=1), 10) == []
    assert (await verify_content(db)).drifted == ()
