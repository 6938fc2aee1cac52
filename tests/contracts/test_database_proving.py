"""The invariant, looked at and mended: counted + pending = ledger, cell by cell, on a database that is in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sharetally.adapters.databases.engine import Engine
from sharetally.adapters.databases.mysql import MysqlEngine
from sharetally.adapters.databases.postgresql import PostgresqlEngine
from sharetally.adapters.databases.proving import cells, everything
from sharetally.adapters.databases.sqlite import SqliteEngine
from sharetally.adapters.databases.store import SqlDatabase, sqlite_path
from sharetally.domain.content import ContentRef
from sharetally.domain.event import Job
from sharetally.domain.proof import CellProof, Verdict
from sharetally.domain.share import Action, Evidence, Status
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    ARTICLE,
    AT,
    DATABASES,
    VIDEO,
    adjusted,
    adjustment,
    again,
    count,
    created,
    deleted,
    emptied,
    entry,
    link,
    moved,
    of_links,
    of_records,
    record,
    run,
    session,
    share,
    shared_url,
    write,
)

pytestmark = pytest.mark.anyio
Drift = dict[tuple[str, str], int]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


async def look(db: SqlDatabase, content: ContentRef | None = None) -> Verdict:
    return await db.verify(content, lambda _: None)


def drift(verdict: Verdict, content: ContentRef = VIDEO) -> Drift:
    """What is off in this content; nothing may be off in any other."""
    assert {cell.content for cell in verdict.drifted} <= {content}
    return {(cell.dimension, cell.value): cell.drift for cell in verdict.drifted}


async def correct(db: SqlDatabase, amount: int) -> None:
    line = adjustment(amount)
    await write(db, Writes(adjustments={line.request_key: line}, events=[adjusted(line)]))


async def count_all(db: SqlDatabase) -> None:
    """Burn whatever waits."""
    jobs = [job for job in Job if job is not Job.SHARE_POST]
    while heads := await db.claim(jobs, None, 500):
        await count(db, [created(record(), id=head.id) for head in heads])


async def a_world(db: SqlDatabase) -> None:
    """VIDEO: two records, a link, a correction of 10, all counted; ARTICLE beside it, in order."""
    await share(db, record(), record(user_id="berta", platform="email"), link(channel="x", campaign="summer"))
    await share(db, record(content=ARTICLE))
    await correct(db, 10)
    await count_all(db)


# the look


async def test_nothing_is_in_order(db: SqlDatabase) -> None:
    assert await look(db) == Verdict(contents=0, drifted=())
    proofs, _ = await db.proof(VIDEO)
    assert proofs == []


async def test_every_way_to_count_is_in_order_counted_or_not(db: SqlDatabase) -> None:
    kept, gone, proven = record(), record(user_id="berta"), record(user_id="carla", platform="email")
    handed, patched, taken = link(), link(channel="x"), link(campaign="summer")
    owned = link(record_id=kept.id)
    await write(db, Writes(new_links=of_links(owned)))
    await share(db, kept, gone, proven, handed, patched, taken, record(content=ARTICLE))
    await correct(db, -7)
    assert (await look(db)).drifted == ()
    after = (
        gone._replace(status=Status.WITHDRAWN),
        proven._replace(evidence=Evidence.POSTED),
        replace(patched, channel="y", campaign="autumn"),
        replace(taken, deleted_at=AT),
    )
    proof = moved(after[1], created(proven).to or handed.cell, platform="email")
    events = [deleted(gone), proof, moved(after[2], patched.cell), deleted(taken)]
    changes = Writes(changed_records=of_records(*after[:2]), changed_links=of_links(*after[2:]), events=events)
    await write(db, changes)
    assert await look(db) == Verdict(contents=2, drifted=())
    await db.park(events[1].id, "poison")
    await count_all(db)
    assert await look(db) == Verdict(contents=2, drifted=())
    assert (await db.backlog()).parked == 1


async def test_a_proof_names_the_total_and_every_cell(db: SqlDatabase) -> None:
    await count(db, await share(db, record()))
    await share(db, link(channel="x"))
    proofs, at = await db.proof(VIDEO)
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
    assert abs(at - await db.now()) < timedelta(seconds=30)


async def test_one_content_is_looked_at_alone(db: SqlDatabase) -> None:
    await a_world(db)
    await run(db, "UPDATE share_totals SET shares = 99 WHERE content_type = 'video'")
    assert await look(db, ARTICLE) == Verdict(contents=1, drifted=())
    assert drift(await look(db, VIDEO)) == {("total", ""): 86}


async def test_a_look_at_many_contents_tells_its_progress(db: SqlDatabase) -> None:
    contents = [ContentRef(type=kind, id=f"{number:04}") for kind in ("a", "video") for number in range(1_150)]
    await count(db, await share(db, *(link(content=each) for each in contents)))
    await share(db, link(content=ContentRef(type="b", id="never counted")))
    await run(db, "UPDATE share_totals SET shares = 5 WHERE content_type = 'video' AND content_id = '0007'")
    await run(db, "DELETE FROM share_totals WHERE content_type = 'video' AND content_id = '1149'")
    told: list[int] = []
    verdict = await db.verify(None, told.append)
    off = {(cell.content.id, cell.cell, cell.drift) for cell in verdict.drifted}
    assert off == {("0007", "total", 4), ("1149", "total", -1)}
    assert told == sorted(told)
    assert told[-1] == verdict.contents == 2_300


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
async def test_what_is_broken_is_named_and_mended(db: SqlDatabase, kind: str) -> None:
    statement, wanted = BROKEN[kind]
    await a_world(db)
    assert await look(db) == Verdict(contents=2, drifted=())
    await run(db, statement)
    verdict = await look(db)
    assert drift(verdict) == wanted
    assert verdict.drift == sum(map(abs, wanted.values()))
    lines = [entry(action=Action.REPAIRED.value, actor="ops") for _ in verdict.drifted]
    mended = [await db.repair(cell, line) for cell, line in zip(verdict.drifted, lines, strict=True)]
    assert mended == [-cell.drift for cell in verdict.drifted]
    assert (await look(db)).drifted == ()
    told = await db.audit(AuditFilter(action="repaired"), limit=20, after=None)
    assert {each.id for each in told} == {each.id for each in lines}


async def test_a_token_that_is_lost_is_seen(db: SqlDatabase) -> None:
    await a_world(db)
    await share(db, link())
    await run(db, "DELETE FROM events")
    assert drift(await look(db)) == {
        ("total", ""): -1,
        ("evidence", "link"): -1,
        ("channel", ""): -1,
        ("campaign", ""): -1,
        ("rollup", "/link"): -1,
    }


async def test_a_token_that_says_too_much_is_seen(db: SqlDatabase) -> None:
    await a_world(db)
    await share(db, record(user_id="carla"))
    await run(db, "UPDATE events SET delta = 5")
    assert drift(await look(db)) == {("total", ""): 4, ("platform", "twitter"): 4}


# the mend


async def broken_total(db: SqlDatabase, amount: int) -> CellProof:
    """A look that finds just the total off by so much."""
    await run(db, "UPDATE share_totals SET shares = shares + :amount WHERE content_type = 'video'", amount=amount)
    (cell,) = (await look(db)).drifted
    return cell


async def test_a_mend_raises_the_version(db: SqlDatabase) -> None:
    await a_world(db)
    before = (await db.counts([VIDEO]))[0].version
    await db.repair(await broken_total(db, 4), entry())
    (after,) = await db.counts([VIDEO])
    assert (after.shares, after.version > before) == (13, True)


async def test_mending_again_adds_nothing_and_says_nothing(db: SqlDatabase) -> None:
    await a_world(db)
    cell = await broken_total(db, 4)
    first, second = entry(), entry()
    assert [await db.repair(cell, first), await db.repair(cell, second)] == [-4, 0]
    assert await db.audit(AuditFilter(), limit=10, after=None) == [first]


async def test_the_mend_goes_by_what_stands_then(db: SqlDatabase) -> None:
    await a_world(db)
    cell = await broken_total(db, 4)
    await run(db, "UPDATE share_totals SET shares = shares - 3 WHERE content_type = 'video'")
    assert await db.repair(cell, entry()) == -1
    assert (await look(db)).drifted == ()


async def test_a_mend_while_others_count_loses_nothing(db: SqlDatabase) -> None:
    await a_world(db)
    await run(db, "UPDATE share_counts SET shares = shares + 5 WHERE content_type = 'video' AND dimension = 'channel'")
    await run(db, "DELETE FROM share_totals WHERE content_type = 'video'")
    drifted = (await look(db)).drifted
    assert len(drifted) == 5
    batches = [await share(db, record(user_id=f"u{n}"), link()) for n in range(40)]
    counting = [count(db, batch) for batch in batches]
    mending = [again(lambda cell=cell: db.repair(cell, entry())) for cell in drifted]  # type: ignore[misc]
    done = await asyncio.gather(*counting[:20], *mending, *counting[20:])
    assert [each for each in done if isinstance(each, int)] == [-cell.drift for cell in drifted]
    assert await look(db) == Verdict(contents=2, drifted=())
    assert (await db.counts([VIDEO]))[0].shares == 13 + 80


# a look while others write and count


async def test_a_look_never_sees_drift_that_is_none(db: SqlDatabase) -> None:
    await a_world(db)

    async def writes_and_counts(worker: int) -> None:
        for number in range(6):
            made = record(user_id=f"u{worker}-{number}")
            events = await again(lambda made=made: share(db, made))  # type: ignore[misc]
            await count(db, events)
            gone = made._replace(status=Status.WITHDRAWN)
            goes = deleted(gone)
            changes = Writes(changed_records=of_records(gone), events=[goes])
            await again(lambda changes=changes: write(db, changes))  # type: ignore[misc]
            await count(db, [goes])

    working = asyncio.gather(*(writes_and_counts(worker) for worker in range(3)))
    while not working.done():
        assert (await look(db)).drifted == ()
        proofs, _ = await db.proof(VIDEO)
        assert [cell for cell in proofs if cell.drift] == []
    await working


def engine(url: str) -> Engine:
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return SqliteEngine(sqlite_path(url))
    return PostgresqlEngine(url) if scheme == "postgresql" else MysqlEngine(url)


async def test_a_snapshot_stays_as_it_was_whatever_is_committed_meanwhile(db: SqlDatabase, url: str) -> None:
    """At READ COMMITTED there would be none: each statement would see the newest."""
    await a_world(db)
    looking = engine(url)
    await looking.open()
    try:
        async with looking.snapshot() as connection:
            before = await connection.rows(cells(everything))
            await count(db, await share(db, record(user_id="carla"), record(content=ARTICLE, user_id="carla")))
            await correct(db, 100)
            assert await connection.rows(cells(everything)) == before
        async with looking.snapshot() as connection:
            assert await connection.rows(cells(everything)) != before
    finally:
        await looking.close()


# after a restore


async def test_restored_lifts_versions_and_forgets_what_was_sent(db: SqlDatabase) -> None:
    await a_world(db)
    (waits,) = await share(db, link())
    await db.mark("count", AT)
    await run(db, "UPDATE share_totals SET version = 17 WHERE content_type = 'video'")
    ahead = 4_000_000_000_000_000
    await run(db, "UPDATE share_totals SET version = :ahead WHERE content_type = 'article'", ahead=ahead)
    before = await db.now()
    await db.begin_session(session())
    assert await db.restored() == 2
    assert await db.sessions() == [], "it may have ended since the backup"
    video, article = await db.counts([VIDEO, ARTICLE])
    assert video.version >= int(before.timestamp() * 1_000_000) - 2_000  # SQLite's clock has milliseconds
    assert article.version == ahead + 1
    assert await db.marks() == {}
    assert await db.claim([waits.job], before - timedelta(seconds=1), 10) == []
    assert (await look(db)).drifted == ()
