"""Accepted shares: token checked, body validated, answered after the commit; nothing is counted meanwhile.

Jobs are published to RabbitMQ all the same, on the same two cores.
"""

from __future__ import annotations

from bench.pairs import in_turn
from bench.reference.pgbench import limit
from bench.row import Measured, Row, at_least
from bench.sides.ours import ours
from bench.sides.side import accepted
from bench.stage import Stage


async def measure(stage: Stage) -> Measured:
    """Requests with two platforms, against the same rows written without HTTP."""
    theirs, seconds = await limit(stage), stage.options.seconds
    notes = [f"pgbench with {theirs.clients} clients on {theirs.threads} threads"]
    async with ours(stage) as side:
        before = await side.batches()
        found = await in_turn(
            stage.options.pairs, lambda: accepted(side, seconds), lambda: theirs.rate(seconds), notes=notes
        )
        after = await side.batches()
    commits, wishes = (now - then for now, then in zip(after, before, strict=True))
    return Measured(
        ours=found.ours, theirs=found.theirs, notes=(*found.notes, f"{wishes / commits:.1f} requests a commit")
    )


ROW = Row(
    name="accepted",
    order=10,
    ours="accepted shares, nothing counted meanwhile",
    reference="pgbench, the same transaction",
    unit="requests/s",
    target=at_least(1.0),
    measure=measure,
)
