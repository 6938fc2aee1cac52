"""One row on one database, in a process of its own: whatever happens to it, the others go on.

Whatever the row raises is its failure; the outcome is written to a file in its folder.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import traceback
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from tests.faults.harness import FaultHarness
from tests.faults.row import Row, discover_rows
from tests.faults.scoreboard import Outcome
from tests.services import Services
from tests.services.server import Server


@dataclass(frozen=True, kw_only=True)
class RowRun:
    """What one process performs: row `row` on `database`, with its files in `folder`."""

    row: int
    database: str
    seed: int
    folder: str
    services: Services

    @property
    def outcome(self) -> Path:
        """Where what became of it is written."""
        return Path(self.folder) / "outcome.json"

    def as_json(self) -> str:
        """For the command line: without the broker's process, which only the process that started it can stop."""
        broker = self.services.broker
        services = replace(self.services, broker=replace(broker, process=None) if broker else None)
        return json.dumps(asdict(replace(self, services=services)))


def row_run_from_json(text: str) -> RowRun:
    """From the command line."""
    said: dict[str, Any] = json.loads(text)
    services = said.pop("services")
    broker = services.pop("broker")
    return RowRun(**said, services=Services(**services, broker=Server(**broker) if broker else None))


async def perform(row: Row, row_run: RowRun, *, brief: bool = False) -> Outcome:
    """Perform it; `brief` for loads of a few seconds."""
    began, failure = time.monotonic(), None
    async with AsyncExitStack() as stack:
        harness = FaultHarness(
            database=row_run.database,
            services=row_run.services,
            folder=Path(row_run.folder),
            seed=row_run.seed,
            stack=stack,
            brief=brief,
        )
        try:
            await row.perform(harness)
        except asyncio.CancelledError:
            failure = f"it was ended after {time.monotonic() - began:.0f} s"
        except Exception as error:  # a row that raises has failed, and that is all
            failure = _innermost_reason(error)
            (Path(row_run.folder) / "failure.txt").write_text("".join(traceback.format_exception(error)))
        seconds = time.monotonic() - began
        return harness.outcome(row=row.number, title=row.title, seconds=seconds, failure=failure)


def _innermost_reason(error: BaseException) -> str:
    """The innermost reason; task groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:1500]


async def _main(row_run: RowRun) -> None:
    performing = asyncio.ensure_future(perform(discover_rows()[row_run.row], row_run))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performing.cancel)
    row_run.outcome.write_text(json.dumps(asdict(await performing)))


if __name__ == "__main__":
    uvloop.run(_main(row_run_from_json(sys.argv[1])))
