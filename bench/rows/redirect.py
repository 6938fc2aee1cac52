"""Following a short link, against a route that redirects without looking anything up."""

from __future__ import annotations

import asyncio

from bench.pairs import in_turn
from bench.reference.bare import bare
from bench.row import Measured, Row, at_least
from bench.sides.ours import Ours, ours
from bench.sides.reading import lines_in, one, read
from bench.stage import Stage

LINKS = 1_000  # each of another user
AT_ONCE = 50


async def measure(stage: Stage) -> Measured:
    """Random ones of a thousand links."""
    seconds, folder = stage.options.seconds, stage.folder("redirect")
    async with ours(stage, cache=True, filled=LINKS, warm=False) as side:
        codes = await _links(side)
        paths = lines_in(folder / "paths", (f"/s/{code}" for code in codes))
        answer = await one(side.port, "GET", f"/s/{codes[0]}")
        async with bare(answer, folder) as port:
            await read(side.port, paths, 2)
            await read(port, paths, 1)
            return await in_turn(
                stage.options.pairs, lambda: read(side.port, paths, seconds), lambda: read(port, paths, seconds)
            )


async def _links(side: Ours) -> list[str]:
    tokens = side.tokens.read_text().split()
    found: list[str] = []
    for start in range(0, LINKS, AT_ONCE):
        asked = [
            one(side.port, "POST", "/share-links", _body(number), tokens[number])
            for number in range(start, start + AT_ONCE)
        ]
        found += [answer.json()["code"] for answer in await asyncio.gather(*asked)]
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
