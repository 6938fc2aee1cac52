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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.faults.row import Row, found
from tests.faults.scoreboard import Outcome
from tests.faults.stage import Stage
from tests.services import Services
from tests.services.server import Server


@dataclass(frozen=True, kw_only=True)
class Part:
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
        """For the command line."""
        return json.dumps(asdict(self))


def part_of(text: str) -> Part:
    """From the command line."""
    said: dict[str, Any] = json.loads(text)
    services = said.pop("services")
    broker = services.pop("broker")
    return Part(**said, services=Services(**services, broker=Server(**broker) if broker else None))


async def perform(row: Row, part: Part, *, brief: bool = False) -> Outcome:
    """Perform it; `brief` for loads of a few seconds."""
    began, failure = time.monotonic(), None
    async with AsyncExitStack() as stack:
        stage = Stage(
            database=part.database,
            services=part.services,
            folder=Path(part.folder),
            seed=part.seed,
            stack=stack,
            brief=brief,
        )
        try:
            await row.perform(stage)
        except asyncio.CancelledError:
            failure = f"it was ended after {time.monotonic() - began:.0f} s"
        except Exception as error:  # a row that raises has failed, and that is all
            failure = _told(error)
            (Path(part.folder) / "failure.txt").write_text("".join(traceback.format_exception(error)))
        seconds = time.monotonic() - began
        return stage.outcome(row=row.number, title=row.title, seconds=seconds, failure=failure)


def _told(error: BaseException) -> str:
    """The innermost reason; task groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:1500]


async def _main(part: Part) -> None:
    performing = asyncio.ensure_future(perform(found()[part.row], part))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performing.cancel)
    part.outcome.write_text(json.dumps(asdict(await performing)))


if __name__ == "__main__":
    uvloop.run(_main(part_of(sys.argv[1])))
