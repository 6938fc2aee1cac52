"""Shares accepted and counted at the same time, compared with the usual way; each has its own database and queue."""

from __future__ import annotations

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.row import Measurement, Row, at_least
from bench.sides.sharetally_side import open_sharetally
from bench.sides.side import sustained_rate
from bench.sides.usual_side import open_usual


async def measure(harness: BenchHarness) -> Measurement:
    """Requests with two platforms; on both sides, only shares that are counted in time are credited."""
    seconds = harness.options.sustained
    notes: list[str] = []
    async with open_sharetally(harness, counting=True) as mine, open_usual(harness, counting=True) as theirs:
        return await alternate(
            harness.options.pairs,
            lambda: sustained_rate(mine, seconds, notes),
            lambda: sustained_rate(theirs, seconds, notes),
            notes=notes,
        )


ROW = Row(
    name="counted-usual",
    order=30,
    ours="accepted shares, all counted at the same time",
    reference="the usual way",
    unit="requests/s",
    target=at_least(5),
    measure=measure,
)
