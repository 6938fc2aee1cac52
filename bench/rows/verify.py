"""`sharetally verify` of a large ledger, compared with one grouped count of it: time, memory and progress."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import sys
import time
from pathlib import Path

import asyncpg
import psutil

from bench.alternate import alternate
from bench.harness import SETTINGS, BenchHarness
from bench.row import Measurement, Row
from bench.sides.ledgers import open_ledger

LOOK = 0.2  # seconds between two readings of its memory
_COUNT = (
    "SELECT count(*) FROM (SELECT FROM share_records WHERE status = 'success' GROUP BY content_type, content_id) AS c"
)


async def measure(harness: BenchHarness) -> Measurement:
    """The seconds it takes; memory and progress are in the notes."""
    options = harness.options
    notes = [f"{options.records:,} records"]
    filled = open_ledger(harness, "postgresql", options.records)
    url = await asyncio.to_thread(filled.__enter__)
    try:
        return await alternate(
            options.pairs, lambda: _verified(url, harness.folder("verify"), notes), lambda: _counted(url), notes=notes
        )
    finally:
        filled.__exit__(None, None, None)


async def _verified(url: str, folder: Path, notes: list[str]) -> float:
    """Run it on a pseudo-terminal, because it shows progress on terminals only."""
    ours, its = pty.openpty()
    environment = os.environ | {f"SHARETALLY_{name}": value for name, value in SETTINGS.items()}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sharetally", "verify", env=environment | {"SHARETALLY_DATABASE_URL": url},
        cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=its,
    )  # fmt: skip
    os.close(its)
    shown, sizes = asyncio.create_task(asyncio.to_thread(_read, ours)), list[float]()
    while process.returncode is None:
        sizes += _resident(process.pid)
        await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=LOOK)
    seconds = time.perf_counter() - began
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    told = len(re.findall(r"content items", await shown))
    notes.append(
        f"{out.decode().strip()} in {seconds:.1f} s, at most {max(sizes):.0f} MiB, progress shown {told} times"
    )
    return seconds


def _read(terminal: int) -> str:
    """Everything that is written to the terminal until its other end is closed."""
    found = b""
    try:
        while piece := os.read(terminal, 4096):
            found += piece
    except OSError:  # the error with which a terminal reports that its other end is closed
        pass
    finally:
        os.close(terminal)
    return found.decode()


def _resident(pid: int) -> list[float]:
    try:
        return [psutil.Process(pid).memory_info().rss / 1024**2]
    except psutil.NoSuchProcess:
        return []


async def _counted(url: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        began = time.perf_counter()
        await connection.fetchval(_COUNT, timeout=600)
        return time.perf_counter() - began
    finally:
        await connection.close()


ROW = Row(
    name="verify",
    order=130,
    ours="verify of 10,000,000 records",
    reference="one grouped count of the ledger",
    unit="s",
    measure=measure,
    full=True,
)
