"""Performances of a few seconds: some rows as they are, and rows that must fail, each for its own reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.faults.harness import FaultHarness
from tests.faults.row import Row, discover_rows
from tests.faults.row_run import RowRun, perform
from tests.faults.runner import SuitePlan, run
from tests.faults.scoreboard import Outcome
from tests.oracle.tables import open_tables
from tests.services import Services

pytestmark = pytest.mark.anyio

BRIEF = [row for row in discover_rows().values() if row.brief]
_DOUBLE_ONE = (
    "INSERT INTO share_audit SELECT randomblob(16), at, subject_id, content_type, content_id, user_id, actor, action, "
    "platform, status, error_code, error_message, request_id FROM share_audit LIMIT 1"
)
_STUCK = (
    "INSERT INTO events (id, job, content_type, content_id, at, delta, moved, request_id, payload) "
    "VALUES (randomblob(16), 'nobodys', 'video', 'stuck', '2026-01-01 00:00:00.000000', 0, 0, '', '')"
)


def make_row_run(row: Row, database: str, services: Services, folder: Path) -> RowRun:
    return RowRun(row=row.number, database=database, seed=1, folder=str(folder), services=services)


@pytest.mark.parametrize("row", BRIEF, ids=lambda row: f"{row.number} on {row.brief}")
async def test_a_row_in_brief(row: Row, services: Services, tmp_path: Path) -> None:
    assert row.brief is not None
    outcome = await perform(row, make_row_run(row, row.brief, services, tmp_path), brief=True)
    assert outcome.passed, f"{outcome}\n{tmp_path}"


async def tamper(harness: FaultHarness) -> None:
    """What is done here behind everybody's back must all be seen."""
    harness.max_seconds = 3.0
    async with harness.open(harness.topology()) as system:
        async with harness.load(seconds=1, clients=3):
            pass
        async with open_tables(system.database) as tables:
            await tables.run(
                "UPDATE share_records SET attempt_count = attempt_count + 1",
                "UPDATE share_totals SET shares = shares + 1 WHERE content_id = 'hot'",
                _DOUBLE_ONE,
                _STUCK,
            )
        harness.promises.tally.outcomes["500"] += 1


async def test_lost_duplicated_drifted_and_stuck_events_are_each_reported(services: Services, tmp_path: Path) -> None:
    row = Row(number=99, title="tampered", databases=("sqlite",), perform=tamper)
    outcome = await perform(row, make_row_run(row, "sqlite", services, tmp_path), brief=True)
    assert outcome.failure is None
    seen = (outcome.lost, outcome.duplicated, outcome.unexpected, outcome.drift, outcome.cells, outcome.pending)
    assert all(seen), outcome
    assert (outcome.duplicated, outcome.unexpected, outcome.pending) == (1, 1, 1)
    assert not outcome.passed


async def give_up(harness: FaultHarness) -> None:
    async with harness.open(harness.topology()):
        raise AssertionError("nobody was killed")


async def test_a_row_that_raises_has_failed_and_ends_nothing_else(services: Services, tmp_path: Path) -> None:
    row = Row(number=99, title="gives up", databases=("sqlite",), perform=give_up)
    outcome = await perform(row, make_row_run(row, "sqlite", services, tmp_path), brief=True)
    assert outcome.failure == "AssertionError: nobody was killed"
    assert not outcome.passed


async def test_a_silent_process_fails_its_row(services: Services, tmp_path: Path) -> None:
    told: list[Outcome] = []
    row = dataclasses.replace(discover_rows()[1], number=10**6)  # there is none of this number
    plan = SuitePlan(pairs=[(row, "sqlite")], services=services, folder=tmp_path, seed=1, at_once=1)
    [outcome] = await run(plan, told.append)
    assert told == [outcome]
    assert outcome.failure is not None
    assert "KeyError: 1000000" in outcome.failure
    assert not outcome.passed
