"""Following a short link, compared with a route that redirects without looking anything up."""

from __future__ import annotations

import asyncio

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.reference.bare import bare
from bench.row import Measurement, Row, at_least
from bench.sides.requests import get_rate, request_once, write_lines
from bench.sides.sharetally_side import SharetallySide, open_sharetally

LINKS = 1_000  # each by a different user
AT_ONCE = 50


async def measure(harness: BenchHarness) -> Measurement:
    """Follow a thousand links in random order."""
    seconds, folder = harness.options.seconds, harness.folder("redirect")
    async with open_sharetally(harness, cache=True, filled=LINKS, warm=False) as side:
        codes = await _links(side)
        paths = write_lines(folder / "paths", (f"/s/{code}" for code in codes))
        response = await request_once(side.port, "GET", f"/s/{codes[0]}")
        async with bare(response, folder) as port:
            await get_rate(side.port, paths, 2)
            await get_rate(port, paths, 1)
            return await alternate(
                harness.options.pairs,
                lambda: get_rate(side.port, paths, seconds),
                lambda: get_rate(port, paths, seconds),
            )


async def _links(side: SharetallySide) -> list[str]:
    tokens = side.tokens.read_text().split()
    found: list[str] = []
    for start in range(0, LINKS, AT_ONCE):
        asked = [
            request_once(side.port, "POST", "/share-links", _body(number), tokens[number])
            for number in range(start, start + AT_ONCE)
        ]
        found += [response.json()["code"] for response in await asyncio.gather(*asked)]
    return found


def _body(number: int) -> dict[str, str]:
    return {"contentType": "video", "contentId": f"v{number}", "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"}


ROW = Row(
    name="redirect",
    order=90,
    ours="redirect of a short link",
    reference="a bare route that redirects",
    unit="requests/s",
    target=at_least(0.5),
    measure=measure,
)
