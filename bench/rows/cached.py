"""Reading a cached count, compared with a route that has the same bytes ready.

The cache is Redis, because two processes need a shared one; the notes say how fast a bare Redis GET is here.
"""

from __future__ import annotations

from bench.alternate import alternate, figure
from bench.harness import BenchHarness
from bench.reference.bare import bare
from bench.reference.redis_get import redis_get
from bench.row import Measurement, Row, at_least
from bench.sides.requests import fill_cache, get_rate, request_once, write_lines
from bench.sides.sharetally_side import open_sharetally

CONTENTS = 1_000


async def measure(harness: BenchHarness) -> Measurement:
    """Read the counts of a thousand content items in random order."""
    seconds, folder = harness.options.seconds, harness.folder("cached")
    paths = write_lines(folder / "paths", (f"/share-links/count/video/v{number + 1}" for number in range(CONTENTS)))
    async with open_sharetally(harness, cache=True, filled=CONTENTS, warm=False) as side:
        response = await request_once(side.port, "GET", "/share-links/count/video/v1")
        async with bare(response, folder) as port:
            await fill_cache(side.port, CONTENTS)
            await get_rate(side.port, paths, 1)
            await get_rate(port, paths, 1)
            found = await alternate(
                harness.options.pairs,
                lambda: get_rate(side.port, paths, seconds),
                lambda: get_rate(port, paths, seconds),
            )
        gets = await redis_get(harness.redis, response.body)
    notes = (f"{len(response.body)} bytes", f"hiredis alone, one Redis GET after another: {figure(gets)}/s")
    return Measurement(ours=found.ours, theirs=found.theirs, notes=notes)


ROW = Row(
    name="cached",
    order=60,
    ours="GET count, cached",
    reference="a bare route with the same bytes",
    unit="requests/s",
    target=at_least(0.6),
    measure=measure,
)
