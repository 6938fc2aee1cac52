"""Accepted shares while a worker counts them through RabbitMQ; only shares that are counted in time are credited."""

from __future__ import annotations

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.reference.pgbench import limit
from bench.row import Measurement, Row, at_least
from bench.sides.sharetally_side import open_sharetally
from bench.sides.side import sustained_rate


async def measure(harness: BenchHarness) -> Measurement:
    """Requests with two platforms, accepted and counted, compared with the same rows written without HTTP."""
    theirs, options = await limit(harness), harness.options
    notes: list[str] = []
    async with open_sharetally(harness, counting=True) as side:
        found = await alternate(
            options.pairs,
            lambda: sustained_rate(side, options.sustained, notes),
            lambda: theirs.rate(options.seconds),
            notes=notes,
        )
        proven = await side.verify_counts()
    return Measurement(ours=found.ours, theirs=found.theirs, notes=(*found.notes, proven))


ROW = Row(
    name="counted",
    order=20,
    ours="accepted shares, all counted at the same time",
    reference="pgbench with the same transaction",
    unit="requests/s",
    target=at_least(0.7),
    measure=measure,
)
