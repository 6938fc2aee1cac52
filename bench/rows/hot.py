"""One hot video, all shares on it: how many are counted a second through RabbitMQ."""

from __future__ import annotations

from bench.pairs import in_turn
from bench.row import Measured, Row, at_least
from bench.sides.counting import ours_counted, usual_counted
from bench.sides.ours import ours
from bench.sides.usual import usual
from bench.stage import Stage

OURS = 40_000  # shares for each second of measurement; neither side's rate depends on how many there are
THEIRS = 1_000
FILLED = 1_000  # the rest of the ledger plays no part here


async def measure(stage: Stage) -> Measured:
    """Published and counted, each by its own worker."""
    seconds = stage.options.seconds
    notes = [f"{OURS * seconds:,} and {THEIRS * seconds:,} shares a round, written before; time includes publishing"]
    async with (
        ours(stage, counting=True, filled=FILLED, warm=False) as mine,
        usual(stage, counting=True, filled=FILLED, warm=False) as theirs,
    ):
        await ours_counted(mine, shares=OURS, contents=1)
        await usual_counted(theirs, shares=THEIRS // 2, content_id="v1")

        async def a() -> float:
            rate, _ = await ours_counted(mine, shares=OURS * seconds, contents=1)
            return rate

        found = await in_turn(
            stage.options.pairs,
            a,
            lambda: usual_counted(theirs, shares=THEIRS * seconds, content_id="v1"),
            notes=notes,
        )
        notes.append(await mine.proven())
    return Measured(ours=found.ours, theirs=found.theirs, notes=tuple(notes))


ROW = Row(
    name="hot",
    order=40,
    ours="one hot video, counted through RabbitMQ",
    reference="the usual way",
    unit="shares/s",
    target=at_least(20),
    measure=measure,
)
