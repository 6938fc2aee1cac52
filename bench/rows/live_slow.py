"""One client that never reads next to a hundred that do: it must not slow down the others."""

from __future__ import annotations

from bench.alternate import alternate, figure
from bench.harness import SETTINGS, BenchHarness
from bench.load.live import LiveLoad, run_in_process
from bench.process import ROOT
from bench.row import Measurement, Row, at_most
from tests.oracle.system import SECRET, System, Topology

CLIENTS = 100
CONTENTS = 20
PAUSE = 0.01  # seconds between two shares, so that each content item gets one every 0.2 seconds
WARM = 800  # shares after which all buffers between the server and the client that never reads are full
SHARES = WARM + 500


async def measure(harness: BenchHarness) -> Measurement:
    """Milliseconds from a share to each of the others, at the 99th percentile."""
    notes = [f"{CLIENTS} clients follow {CONTENTS} content items, {1 / PAUSE:.0f} shares per second"]
    async with harness.sharetally(Topology(settings=SETTINGS)) as system:
        return await alternate(
            harness.options.pairs, lambda: _others(system, 1, notes), lambda: _others(system, 0, notes), notes=notes
        )


async def _others(system: System, stuck: int, notes: list[str]) -> float:
    task = LiveLoad(
        port=system.port, secret=SECRET, pid=system.serve.pid, clients=CLIENTS, contents=CONTENTS, shares=SHARES,
        pause=PAUSE, warm=WARM, stuck=stuck,
    )  # fmt: skip
    found = await run_in_process(task, ROOT)
    who = "with a client that never reads" if stuck else "without it"
    notes.append(f"{who}: p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms")
    return found["p99"]


ROW = Row(
    name="live-slow",
    order=106,
    ours="live clients next to one that never reads, p99",
    reference="without it",
    unit="ms",
    target=at_most(1.25),
    measure=measure,
)
