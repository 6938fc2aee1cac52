"""The same against the usual way: accepted and counted meanwhile, each on its own database and queue."""

from __future__ import annotations

from bench.pairs import in_turn
from bench.row import Measured, Row, at_least
from bench.sides.ours import ours
from bench.sides.side import sustained
from bench.sides.usual import usual
from bench.stage import Stage


async def measure(stage: Stage) -> Measured:
    """Requests with two platforms; what is not counted in time is credited to neither."""
    seconds = stage.options.sustained
    notes: list[str] = []
    async with ours(stage, counting=True) as mine, usual(stage, counting=True) as theirs:
        return await in_turn(
            stage.options.pairs,
            lambda: sustained(mine, seconds, notes),
            lambda: sustained(theirs, seconds, notes),
            notes=notes,
        )


ROW = Row(
    name="counted-usual",
    order=30,
    ours="accepted shares, everything counted meanwhile",
    reference="the usual way",
    unit="requests/s",
    target=at_least(5),
    measure=measure,
)
