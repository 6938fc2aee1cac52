"""Creating share links: token checked, body validated, response sent after the commit, job sent to RabbitMQ."""

from __future__ import annotations

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.load.tokens import VIDEOS
from bench.load.wrk import wrk
from bench.row import Measurement, Row, at_least
from bench.sides.sharetally_side import open_sharetally
from bench.sides.side import Side
from bench.sides.usual_side import open_usual


async def created(side: Side, seconds: int) -> float:
    """Links created per second."""
    return (await wrk(side.port, "link", str(side.tokens), str(VIDEOS), seconds=seconds)).rate


async def measure(harness: BenchHarness) -> Measurement:
    """Create links with channel and campaign, without counting on either side."""
    seconds = harness.options.seconds
    async with open_sharetally(harness, warm=False) as mine, open_usual(harness, warm=False) as theirs:
        await created(mine, 2)
        await created(theirs, 2)
        return await alternate(harness.options.pairs, lambda: created(mine, seconds), lambda: created(theirs, seconds))


ROW = Row(
    name="link-create",
    order=80,
    ours="share link created",
    reference="the usual way",
    unit="requests/s",
    target=at_least(5),
    measure=measure,
)
