"""Rows in turn: each is measured or fails by itself, and the others run all the same."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import traceback
from collections.abc import Sequence

from bench.harness import BenchHarness
from bench.report import terminal_line
from bench.row import Outcome, Row


async def run(harness: BenchHarness, rows: Sequence[Row]) -> list[Outcome]:
    """The outcome of each row, printed as it ends; SIGTERM ends the run, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return [await _one(harness, row) for row in rows]


async def _one(harness: BenchHarness, row: Row) -> Outcome:
    print(f"{row.name}: {row.ours} / {row.reference}", file=sys.stderr)
    began = time.monotonic()
    try:
        outcome = Outcome(row=row, measured=await row.measure(harness))
    except Exception as error:  # one row's fault is not the others'
        traceback.print_exc()
        outcome = Outcome(row=row, measured=None, failed=_reason(error))
    print(f"  {terminal_line(outcome)} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return outcome


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
