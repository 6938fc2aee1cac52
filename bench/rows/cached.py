"""Reading a count that the cache has, against a route that has the same bytes ready.

The cache is Redis, as two processes need one; what a bare Redis GET would do on this machine is in the notes.
"""

from __future__ import annotations

from bench.pairs import figure, in_turn
from bench.reference.bare import bare
from bench.reference.redis_get import redis_get
from bench.row import Measured, Row, at_least
from bench.sides.ours import ours
from bench.sides.reading import known, lines_in, one, read
from bench.stage import Stage

CONTENTS = 1_000


async def measure(stage: Stage) -> Measured:
    """Random ones of a thousand contents."""
    seconds, folder = stage.options.seconds, stage.folder("cached")
    paths = lines_in(folder / "paths", (f"/share-links/count/video/v{number + 1}" for number in range(CONTENTS)))
    async with ours(stage, cache=True, filled=CONTENTS, warm=False) as side:
        answer = await one(side.port, "GET", "/share-links/count/video/v1")
        async with bare(answer, folder) as port:
            await known(side.port, CONTENTS)
            await read(side.port, paths, 1)
            await read(port, paths, 1)
            found = await in_turn(
                stage.options.pairs, lambda: read(side.port, paths, seconds), lambda: read(port, paths, seconds)
            )
        gets = await redis_get(stage.redis, answer.body)
    notes = (f"{len(answer.body)} bytes", f"one Redis GET after another by hiredis: {figure(gets)}/s")
    return Measured(ours=found.ours, theirs=found.theirs, notes=notes)


ROW = Row(
    name="cached",
    order=60,
    ours="GET count, cached",
    reference="a bare route, the same bytes",
    unit="requests/s",
    target=at_least(0.6),
    measure=measure,
)
