"""Performances of a few seconds: some rows as they are, and rows that must fail, each for its own reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.faults.performance import Part, perform
from tests.faults.row import Row, found
from tests.faults.runner import Programme, run
from tests.faults.scoreboard import Outcome
from tests.faults.stage import Stage
from tests.oracle.tables import open_tables
from tests.services import Services

pytestmark = pytest.mark.anyio

BRIEF = [row for row in found().values() if row.brief]
_ONE_MORE = (
    "INSERT INTO share_audit SELECT randomblob(16), at, subject_id, content_type, content_id, user_id, actor, action, "
    "platform, status, error_code, error_message, request_id FROM share_audit LIMIT 1"
)
_STUCK = (
    "INSERT INTO events (id, job, content_type, content_id, at, delta, moved, request_id, payload) "
    "VALUES (randomblob(16), 'nobodys', 'video', 'stuck', '2026-01-01 00:00:00.000000', 0, 0, '', '')"
)


def _part(row: Row, database: str, services: Services, folder: Path) -> Part:
    return Part(row=row.number, database=database, seed=1, folder=str(folder), services=services)


@pytest.mark.parametrize("row", BRIEF, ids=lambda row: f"{row.number} on {row.brief}")
async def test_a_row_in_brief(row: Row, services: Services, tmp_path: Path) -> None:
    assert row.brief is not None
    outcome = await perform(row, _part(row, row.brief, services, tmp_path), brief=True)
    assert outcome.passed, f"{outcome}\n{tmp_path}"


async def tamper(stage: Stage) -> None:
    """What is done here behind everybody's back must all be seen."""
    stage.patience = 3.0
    async with stage.open(stage.shape()) as system:
        async with stage.load(seconds=1, clients=3):
            pass
        async with open_tables(system.database) as tables:
            await tables.run(
                "UPDATE share_records SET attempt_count = attempt_count + 1",
                "UPDATE share_totals SET shares = shares + 1 WHERE content_id = 'hot'",
                _ONE_MORE,
                _STUCK,
            )
        stage.promises.tally.outcomes["500"] += 1


async def test_a_lost_a_doubled_a_drifted_and_a_stuck_one_are_each_seen(services: Services, tmp_path: Path) -> None:
    row = Row(number=99, title="tampered", on=("sqlite",), perform=tamper)
    outcome = await perform(row, _part(row, "sqlite", services, tmp_path), brief=True)
    assert outcome.failure is None
    seen = (outcome.lost, outcome.duplicated, outcome.unexpected, outcome.drift, outcome.cells, outcome.pending)
    assert all(seen), outcome
    assert (outcome.duplicated, outcome.unexpected, outcome.pending) == (1, 1, 1)
    assert not outcome.passed


async def give_up(stage: Stage) -> None:
    async with stage.open(stage.shape()):
        raise AssertionError("nobody was killed")


async def test_a_row_that_raises_has_failed_and_ends_nothing_else(services: Services, tmp_path: Path) -> None:
    row = Row(number=99, title="gives up", on=("sqlite",), perform=give_up)
    outcome = await perform(row, _part(row, "sqlite", services, tmp_path), brief=True)
    assert outcome.failure == "AssertionError: nobody was killed"
    assert not outcome.passed


async def test_a_process_that_says_nothing_is_a_failed_row(services: Services, tmp_path: Path) -> None:
    told: list[Outcome] = []
    row = dataclasses.replace(found()[1], number=10**6)  # there is none of this number
    programme = Programme(pairs=[(row, "sqlite")], services=services, folder=tmp_path, seed=1, at_once=1)
    [outcome] = await run(programme, told.append)
    assert told == [outcome]
    assert outcome.failure is not None
    assert "KeyError: 1000000" in outcome.failure
    assert not outcome.passed
