"""A hundred counts in one request: the time that each takes, against a request of its own."""

from __future__ import annotations

import json
import random

from bench.pairs import in_turn
from bench.row import Measured, Row, at_most
from bench.sides.ours import ours
from bench.sides.reading import known, lines_in, posted, read
from bench.stage import Stage

CONTENTS = 1_000
TOGETHER = 100
MICROSECONDS = 1_000_000


async def measure(stage: Stage) -> Measured:
    """The same thousand contents, cached, both ways."""
    seconds, folder = stage.options.seconds, stage.folder("bulk")
    paths = lines_in(folder / "paths", (f"/share-links/count/video/v{number + 1}" for number in range(CONTENTS)))
    bodies = lines_in(folder / "bodies", (_body(random.Random(number)) for number in range(200)))
    async with ours(stage, cache=True, filled=CONTENTS, warm=False) as side:

        async def together() -> float:
            return MICROSECONDS / (await posted(side.port, "/share-links/counts", bodies, seconds) * TOGETHER)

        async def single() -> float:
            return MICROSECONDS / await read(side.port, paths, seconds)

        await known(side.port, CONTENTS)
        await read(side.port, paths, 1)
        return await in_turn(stage.options.pairs, together, single)


def _body(chance: random.Random) -> str:
    chosen = chance.sample(range(CONTENTS), TOGETHER)
    return json.dumps({"contents": [{"contentType": "video", "contentId": f"v{number + 1}"} for number in chosen]})


ROW = Row(
    name="bulk",
    order=70,
    ours="counts of 100 contents in one request, each",
    reference="a request of its own",
    unit="µs/content",
    target=at_most(0.1),
    measure=measure,
)
