"""Performs rows, some of them side by side, each in a process of its own, and collects what became of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.row import Row
from tests.faults.row_run import RowRun
from tests.faults.scoreboard import Outcome
from tests.services import Services

KILL_AFTER_SECONDS = 120.0  # seconds for a row to clean up after it was stopped


@dataclass(frozen=True, kw_only=True)
class SuitePlan:
    """What is performed: `pairs` of row and database; at most `at_once` side by side."""

    pairs: Sequence[tuple[Row, str]]
    services: Services
    folder: Path
    seed: int
    at_once: int


def row_database_pairs(rows: Iterable[Row], on: Sequence[str]) -> list[tuple[Row, str]]:
    """Each selected row on each of its databases."""
    return [(row, database) for row in rows for database in row.databases if database in on]


async def run(plan: SuitePlan, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Run everything; `tell` is called with each outcome as it ends."""
    places = asyncio.Semaphore(plan.at_once)

    async def one(row: Row, database: str) -> Outcome:
        async with places:
            outcome = await _performed(plan, row, database)
            tell(outcome)
            return outcome

    return await asyncio.gather(*(one(row, database) for row, database in plan.pairs))


async def _performed(plan: SuitePlan, row: Row, database: str) -> Outcome:
    folder = plan.folder / f"{row.number:02}-{database}"
    folder.mkdir()
    row_run = RowRun(row=row.number, database=database, seed=plan.seed, folder=str(folder), services=plan.services)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.row_run", row_run.as_json(),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        await _ended(process, row.timeout)
    return read_outcome(row_run, row, process.returncode)


async def _ended(process: asyncio.subprocess.Process, longest: float) -> None:
    try:
        async with asyncio.timeout(longest):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as why:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), KILL_AFTER_SECONDS)
        if isinstance(why, asyncio.CancelledError):
            raise
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def read_outcome(row_run: RowRun, row: Row, code: int | None) -> Outcome:
    """What the process of a row wrote in the end; without that, how it ended."""
    try:
        said = json.loads(row_run.outcome.read_text())
    except (OSError, ValueError):
        words = (Path(row_run.folder) / "log").read_text(errors="replace").strip()[-500:]
        return Outcome(
            row=row.number, title=row.title, database=row_run.database, failure=f"ended with {code}: {words}"
        )
    return Outcome(**{**said, "notes": tuple(said["notes"]), "wrong": tuple(said["wrong"])})
