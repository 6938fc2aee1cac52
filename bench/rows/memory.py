"""Memory under full load: each process at the end, compared with the same process after a tenth of the time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.harness import BenchHarness
from bench.load.tokens import VIDEOS
from bench.load.wrk import wrk
from bench.row import Measurement, Row, at_most
from bench.sides.sharetally_side import SharetallySide, open_sharetally
from tests.oracle.process import Role

MINUTE = 60


async def measure(harness: BenchHarness) -> Measurement:
    """The resident memory, in MiB, of the role that grew most; the sum of all its processes."""
    seconds = int(harness.options.minutes * MINUTE)
    async with open_sharetally(harness, counting=True) as side:
        load = asyncio.create_task(wrk(side.port, "share", str(side.tokens), str(VIDEOS), seconds=seconds))
        try:
            early = await _after(side, seconds // 10, load)
            late = await _after(side, seconds - seconds // 10 - 1, load)
            accepted = (await load).answers
        finally:
            load.cancel()
        pending = await side.backlog()
    grew = max(late, key=lambda name: late[name] / early[name])
    each = "; ".join(f"{name} {early[name]:.0f} -> {late[name]:.0f} MiB" for name in late)
    notes = (
        f"after {seconds // 10} s and {seconds} s of full load: {each}",
        f"{accepted:,} requests accepted, {pending:,} shares pending at the end",
    )
    return Measurement(ours=(late[grew],), theirs=(early[grew],), notes=notes)


async def _after(side: SharetallySide, seconds: int, load: asyncio.Task[object]) -> Mapping[str, float]:
    await asyncio.wait({load}, timeout=seconds)
    assert not load.done(), "the load ended early"
    found = {role.name: resident(role) for role in (side.system.serve, *side.system.workers, *side.system.relays)}
    print(f"  {', '.join(f'{name} {size:.0f} MiB' for name, size in found.items())}", file=sys.stderr)
    return found


def resident(role: Role) -> float:
    """The MiB of a role: the sum over its process group."""
    sizes = (_of(path) for path in Path("/proc").glob("[0-9]*") if _group(path) == role.pid)
    return sum(sizes) / 1024


def _group(path: Path) -> int | None:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:  # the process has just ended
        return None


def _of(path: Path) -> int:
    lines = (path / "status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


ROW = Row(
    name="memory",
    order=120,
    ours="memory after 10 minutes of full load",
    reference="after 1 minute",
    unit="MiB",
    target=at_most(1.1),
    measure=measure,
    full=True,
)
