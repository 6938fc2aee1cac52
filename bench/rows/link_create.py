"""Creating share links: token checked, body validated, answered after the commit, told to RabbitMQ."""

from __future__ import annotations

from bench.load.tokens import VIDEOS
from bench.load.wrk import wrk
from bench.pairs import in_turn
from bench.row import Measured, Row, at_least
from bench.sides.ours import ours
from bench.sides.side import Side
from bench.sides.usual import usual
from bench.stage import Stage


async def created(side: Side, seconds: int) -> float:
    """Links a second."""
    return (await wrk(side.port, "link", str(side.tokens), str(VIDEOS), seconds=seconds)).rate


async def measure(stage: Stage) -> Measured:
    """With channel and campaign, nothing counted meanwhile on either side."""
    seconds = stage.options.seconds
    async with ours(stage, warm=False) as mine, usual(stage, warm=False) as theirs:
        await created(mine, 2)
        await created(theirs, 2)
        return await in_turn(stage.options.pairs, lambda: created(mine, seconds), lambda: created(theirs, seconds))


ROW = Row(
    name="link-create",
    order=80,
    ours="share link created",
    reference="the usual way",
    unit="requests/s",
    target=at_least(5),
    measure=measure,
)
