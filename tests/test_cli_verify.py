"""`verify` and `repair`: what they find, how they say so, and that finding nothing is worth something."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sharetally.commands.proof import _result_or_stop
from sharetally.domain.content import ContentRef
from sharetally.domain.proof import VerificationResult
from tests.contracts.database_rows import count_events, insert_shares, link, open_database, record
from tests.program import Program, fetch
from tests.services.launch import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
async def program(tmp_path: Path) -> Program:
    """Two content items: `abc` with two counted shares and one pending, `def` with one link."""
    made = Program(tmp_path)
    made.migrate()
    async with open_database(f"sqlite:///{tmp_path}/data/sharetally.db") as db:
        await count_events(db, await insert_shares(db, record(), record(user_id="bert")))
        await count_events(
            db, await insert_shares(db, link(content=ContentRef(type="article", id="def"), channel="mail"))
        )
        await insert_shares(db, record(user_id="cleo"))
    return made


@contextmanager
def by_hand(program: Program) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(program.folder / "data" / "sharetally.db")) as database, database:
        yield database


def damage(program: Program, *, total: bool = True) -> None:
    with by_hand(program) as database:
        if total:
            database.execute("UPDATE share_totals SET shares = shares + 5 WHERE content_id = 'abc'")
        database.execute("UPDATE share_counts SET shares = 0 WHERE content_id = 'def' AND dimension = 'channel'")


async def test_no_drift_is_exit_0(program: Program) -> None:
    result = program.run("verify")
    assert (result.code, result.out, result.err) == (0, "2 content items, drift 0\n", "")
    assert program.run("verify", "--json").json == {"contents": 2, "drift": 0, "drifted": []}


async def test_drift_is_exit_1_and_its_cells_are_named(program: Program) -> None:
    damage(program)
    result = program.run("verify", "--json")
    assert (result.code, result.err) == (1, "")
    total = {"contentType": "video", "contentId": "abc", "cell": "total", "counted": 7, "pending": 1, "ledger": 3}
    cell = {
        "contentType": "article",
        "contentId": "def",
        "cell": "channel:mail",
        "counted": 0,
        "pending": 0,
        "ledger": 1,
    }
    assert result.json["contents"] == 2
    assert result.json["drift"] == 5 + 1
    assert sorted(result.json["drifted"], key=lambda each: each["contentId"]) == [total, cell]
    shown = program.run("verify")
    assert shown.code == 1
    assert "  video:abc total: counted 7 + pending 1 != ledger 3\n" in shown.out


async def test_one_content_alone(program: Program) -> None:
    damage(program, total=False)
    well = program.run("verify", "--json", "--content", "video:abc")
    assert (well.code, well.json) == (0, {"contents": 1, "drift": 0, "drifted": []})
    ill = program.run("verify", "--json", "--content", "article:def")
    assert (ill.code, ill.json["drift"]) == (1, 1)


async def test_a_failed_verification_exits_with_2(program: Program) -> None:
    program.settings["DATABASE_URL"] = "sqlite:///elsewhere.db"
    result = program.run("verify", "--json")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("sharetally: verify failed: there is no database at ")


# looking on


async def test_continuous_verification_updates_metrics_and_stops_on_signal(program: Program) -> None:
    port = free_port()
    program.settings["OPS_PORT"] = str(port)
    with program.start_role("verify", "--every", "0.1", "--json") as watch:
        watch.until(lambda: watch.output.count('{"contents": 2, "drift": 0, "drifted": []}') >= 3)
        assert drift(port) == 0
        assert fetch(f"http://127.0.0.1:{port}/health")[0] == 200
        damage(program)
        watch.until(lambda: drift(port) == 6)
        assert watch.stop() == 1, "it has seen drift"


async def test_without_drift_it_ends_with_0(program: Program) -> None:
    with program.start_role("verify", "--every", "0.1") as watch:
        watch.wait_for_output("2 content items, drift 0")
        assert watch.stop() == 0


def drift(port: int) -> float | None:
    _, text = fetch(f"http://127.0.0.1:{port}/metrics")
    found = re.search(r"^sharetally_drift (\S+)$", str(text), re.MULTILINE)
    looked = re.search(r"^sharetally_drift_checked_timestamp_seconds (\S+)$", str(text), re.MULTILINE)
    assert (found is None) == (looked is None)
    return float(found[1]) if found else None


async def test_a_blocked_verification_reports_no_drift(tmp_path: Path, postgresql_url: str) -> None:
    """A migration of somebody else's holds a table: that passes, and 1 would mean that counts are wrong."""
    program = Program(tmp_path, DATABASE_URL=postgresql_url)
    program.migrate()
    async with open_database(postgresql_url) as other, other.transaction() as tx:
        await tx.execute("LOCK TABLE share_links IN ACCESS EXCLUSIVE MODE", {})
        result = await asyncio.to_thread(program.run, "verify")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("sharetally: verify failed")


async def test_continuous_verification_can_be_stopped_during_a_run() -> None:
    """On a large ledger one look takes minutes."""
    stop, begun = asyncio.Event(), asyncio.Event()

    async def looks_for_hours() -> VerificationResult:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    watching = asyncio.create_task(_result_or_stop(stop, looks_for_hours()))
    await begun.wait()
    stop.set()
    assert await asyncio.wait_for(watching, 5) is None


# mending


async def test_a_dry_run_only_reports(program: Program) -> None:
    damage(program)
    result = program.run("repair", "--dry-run")
    assert result.code == 0
    assert "video:abc total: counted 7 + pending 1 != ledger 3; -5\n" in result.out
    assert result.out.endswith("2 cells would be repaired\n")
    assert program.run("verify").code == 1


async def test_repair_sets_the_count_of_the_ledger_and_records_the_reason(program: Program) -> None:
    damage(program)
    result = program.run("repair")
    assert (result.code, result.out.endswith("2 cells repaired\n")) == (0, True)
    assert program.run("verify", "--json").json["drift"] == 0
    assert program.run("repair").out == "0 cells repaired\n"
    with by_hand(program) as database:
        lines = database.execute("SELECT actor, error_message FROM share_audit WHERE action = 'repaired'").fetchall()
    assert sorted(lines) == [("sharetally repair", "channel mail: drift -1"), ("sharetally repair", "total -: drift 5")]


async def test_after_a_restore_versions_rise_and_marks_are_forgotten(program: Program) -> None:
    with by_hand(program) as database:
        database.execute("INSERT INTO queue_marks VALUES ('count', '2026-11-20 12:00:00.000000')")
        before = dict(database.execute("SELECT content_id, version FROM share_totals"))
    result = program.run("repair", "--restored")
    assert (result.code, result.out.splitlines()[0][:17]) == (0, "2 versions raised")
    with by_hand(program) as database:
        after = dict(database.execute("SELECT content_id, version FROM share_totals"))
        assert database.execute("SELECT count(*) FROM queue_marks").fetchone() == (0,)
    assert all(after[each] > before[each] for each in ("abc", "def"))
    assert program.run("verify").code == 0
