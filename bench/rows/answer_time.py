"""The response time at half of the maximum load, 99th percentile, compared with one bare commit of the same rows.

The load is an open loop: a request is sent when it is due, and its time is measured from then. The bare commit is one
pgbench client that has the database to itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.alternate import alternate, figure
from bench.harness import BenchHarness
from bench.load.steady import percentiles
from bench.process import ROOT
from bench.reference.pgbench import limit, pgbench
from bench.row import Measurement, Row, at_most
from bench.sides.sharetally_side import SharetallySide, open_sharetally
from bench.sides.side import accepted_rate

FEWEST = 4  # seconds: p99 is only meaningful with some hundreds of responses above it


async def measure(harness: BenchHarness) -> Measurement:
    """Milliseconds at the 99th percentile."""
    theirs = await limit(harness)
    seconds = max(FEWEST, harness.options.seconds)
    async with open_sharetally(harness) as side:
        half = await accepted_rate(side, harness.options.seconds) / 2
        notes = [f"at {half:,.0f} requests/s, half of the maximum"]
        return await alternate(
            harness.options.pairs,
            lambda: _steady(side, half, seconds, notes),
            lambda: _commit(theirs.database, seconds, harness.folder("commits")),
            notes=notes,
        )


async def _steady(side: SharetallySide, rate: float, seconds: int, notes: list[str]) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load.steady", str(side.port), str(rate), str(seconds), str(side.tokens),
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, "the steady load failed"
    found = json.loads(out)
    assert not found["failed"], found["failed"]
    notes.append(f"p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms, longest {figure(found['max'])} ms")
    return float(found["p99"])


async def _commit(database: str, seconds: int, folder: Path) -> float:
    await pgbench(database, clients=1, seconds=seconds, more=["-l", f"--log-prefix={folder}/commits"])
    return percentiles(_logged(folder))["p99"]


def _logged(folder: Path) -> list[float]:
    """The seconds of each transaction: pgbench logs them as the third word of a line, in microseconds."""
    lines = [line.split() for path in folder.iterdir() for line in path.read_text().splitlines()]
    return [int(line[2]) / 1_000_000 for line in lines]


ROW = Row(
    name="answer-time",
    order=100,
    ours="response time at half of the maximum load, p99",
    reference="one bare commit of the same transaction, p99",
    unit="ms",
    target=at_most(5),
    measure=measure,
)
