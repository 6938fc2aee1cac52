"""From a share until another client sees it: commit, RabbitMQ, counting and channel, compared with one message hop."""

from __future__ import annotations

from bench.alternate import alternate, figure
from bench.harness import BenchHarness
from bench.load.live import LiveLoad, run_in_process
from bench.load.steady import percentiles
from bench.process import ROOT
from bench.reference.hop import hops
from bench.row import Measurement, Row, at_most
from bench.sides.sharetally_side import SharetallySide, open_sharetally
from tests.oracle.system import SECRET

SHARES = 300
CONTENTS = 100  # so many that none is shared twice within the tenth of a second in which changes are combined
PAUSE = 0.01  # seconds


async def measure(harness: BenchHarness) -> Measurement:
    """Milliseconds at the 99th percentile, one share at a time."""
    notes = [f"{SHARES} shares and as many messages, one after another; a separate worker, Redis pub/sub"]
    async with open_sharetally(harness, counting=True, cache=True, filled=1_000, warm=False) as side:
        return await alternate(
            harness.options.pairs, lambda: _seen(side, notes), lambda: _hops(side, notes), notes=notes
        )


async def _seen(side: SharetallySide, notes: list[str]) -> float:
    task = LiveLoad(
        port=side.port, secret=SECRET, pid=side.system.serve.pid, clients=1, contents=CONTENTS, shares=SHARES,
        pause=PAUSE, one_by_one=True,
    )  # fmt: skip
    found = await run_in_process(task, ROOT)
    notes.append(f"share -> seen p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms")
    return found["p99"]


async def _hops(side: SharetallySide, notes: list[str]) -> float:
    found = percentiles(await hops(side.amqp, messages=SHARES, pause=PAUSE))
    notes.append(f"publish -> consume p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms")
    return found["p99"]


ROW = Row(
    name="live-seen",
    order=102,
    ours="from a share until another client sees it, p99",
    reference="one raw publish and consume, p99",
    unit="ms",
    target=at_most(5),
    measure=measure,
)
