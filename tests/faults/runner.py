"""Performs rows, some of them side by side, each in a process of its own, and collects what became of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.performance import Part
from tests.faults.row import Row
from tests.faults.scoreboard import Outcome
from tests.services import Services

GRACE = 120.0  # seconds for a row to clear up after it was told to end


@dataclass(frozen=True, kw_only=True)
class Programme:
    """What is performed: `pairs` of row and database; at most `at_once` side by side."""

    pairs: Sequence[tuple[Row, str]]
    services: Services
    folder: Path
    seed: int
    at_once: int


def pairs_of(rows: Iterable[Row], on: Sequence[str]) -> list[tuple[Row, str]]:
    """Each row on each database that it concerns and that is asked for."""
    return [(row, database) for row in rows for database in row.on if database in on]


async def run(programme: Programme, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Perform everything; `tell` hears of each as it ends."""
    places = asyncio.Semaphore(programme.at_once)

    async def one(row: Row, database: str) -> Outcome:
        async with places:
            outcome = await _performed(programme, row, database)
            tell(outcome)
            return outcome

    return await asyncio.gather(*(one(row, database) for row, database in programme.pairs))


async def _performed(programme: Programme, row: Row, database: str) -> Outcome:
    folder = programme.folder / f"{row.number:02}-{database}"
    folder.mkdir()
    part = Part(row=row.number, database=database, seed=programme.seed, folder=str(folder), services=programme.services)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.performance", part.as_json(),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        await _ended(process, row.longest)
    return _outcome(part, row, process.returncode)


async def _ended(process: asyncio.subprocess.Process, longest: float) -> None:
    try:
        async with asyncio.timeout(longest):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as why:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
        if isinstance(why, asyncio.CancelledError):
            raise
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _outcome(part: Part, row: Row, code: int | None) -> Outcome:
    try:
        said = json.loads(part.outcome.read_text())
    except (OSError, ValueError):
        words = (Path(part.folder) / "log").read_text(errors="replace").strip()[-500:]
        return Outcome(row=row.number, title=row.title, database=part.database, failure=f"ended with {code}: {words}")
    return Outcome(**{**said, "notes": tuple(said["notes"]), "wrong": tuple(said["wrong"])})
