"""The outcome of a row reaches the process that prints the table."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from tests.faults.row import discover_rows
from tests.faults.row_run import RowRun
from tests.faults.runner import read_outcome
from tests.faults.scoreboard import Outcome
from tests.services import Services

ROW = discover_rows()[1]
SERVICES = Services(postgresql=None, mysql=None, amqp=None, redis=None, broker=None)


def row_run(folder: Path) -> RowRun:
    return RowRun(row=1, database="sqlite", seed=1, folder=str(folder), services=SERVICES)


def test_an_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    outcome = Outcome(row=1, title=ROW.title, database="sqlite", looks=1, wrong=("lost: a",), notes=("killed twice",))
    row_run(tmp_path).outcome.write_text(json.dumps(asdict(outcome)))
    assert read_outcome(row_run(tmp_path), ROW, 0) == outcome


def test_a_process_without_an_outcome_has_failed(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Traceback: out of memory")
    failed = read_outcome(row_run(tmp_path), ROW, 137)
    assert not failed.passed
    assert failed.failure == "ended with 137: Traceback: out of memory"
