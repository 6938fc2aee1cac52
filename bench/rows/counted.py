"""Accepted shares while RabbitMQ and a worker count everything: only what is counted in time is credited."""

from __future__ import annotations

from bench.pairs import in_turn
from bench.reference.pgbench import limit
from bench.row import Measured, Row, at_least
from bench.sides.ours import ours
from bench.sides.side import sustained
from bench.stage import Stage


async def measure(stage: Stage) -> Measured:
    """Requests with two platforms, accepted and counted, against the same rows written without HTTP."""
    theirs, options = await limit(stage), stage.options
    notes: list[str] = []
    async with ours(stage, counting=True) as side:
        found = await in_turn(
            options.pairs,
            lambda: sustained(side, options.sustained, notes),
            lambda: theirs.rate(options.seconds),
            notes=notes,
        )
        proven = await side.proven()
    return Measured(ours=found.ours, theirs=found.theirs, notes=(*found.notes, proven))


ROW = Row(
    name="counted",
    order=20,
    ours="accepted shares, everything counted meanwhile",
    reference="pgbench, the same transaction",
    unit="requests/s",
    target=at_least(0.7),
    measure=measure,
)
