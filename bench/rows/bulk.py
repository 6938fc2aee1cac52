"""A hundred counts in one request: the time for each, compared with one request per count."""

from __future__ import annotations

import json
import random

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.row import Measurement, Row, at_most
from bench.sides.requests import fill_cache, get_rate, post_rate, write_lines
from bench.sides.sharetally_side import open_sharetally

CONTENTS = 1_000
TOGETHER = 100
MICROSECONDS = 1_000_000


async def measure(harness: BenchHarness) -> Measurement:
    """Read the same thousand content items in both ways; all are cached."""
    seconds, folder = harness.options.seconds, harness.folder("bulk")
    paths = write_lines(folder / "paths", (f"/share-links/count/video/v{number + 1}" for number in range(CONTENTS)))
    bodies = write_lines(folder / "bodies", (_body(random.Random(number)) for number in range(200)))
    async with open_sharetally(harness, cache=True, filled=CONTENTS, warm=False) as side:

        async def together() -> float:
            return MICROSECONDS / (await post_rate(side.port, "/share-links/counts", bodies, seconds) * TOGETHER)

        async def single() -> float:
            return MICROSECONDS / await get_rate(side.port, paths, seconds)

        await fill_cache(side.port, CONTENTS)
        await get_rate(side.port, paths, 1)
        return await alternate(harness.options.pairs, together, single)


def _body(chance: random.Random) -> str:
    chosen = chance.sample(range(CONTENTS), TOGETHER)
    return json.dumps({"contents": [{"contentType": "video", "contentId": f"v{number + 1}"} for number in chosen]})


ROW = Row(
    name="bulk",
    order=70,
    ours="counts of 100 content items in one request, per item",
    reference="one request per item",
    unit="µs/item",
    target=at_most(0.1),
    measure=measure,
)
