"""One client that never reads, among a hundred that do: whether the others wait for it."""

from __future__ import annotations

from bench.alternate import alternate, figure
from bench.harness import SETTINGS, BenchHarness
from bench.load.live import LiveLoad, run_in_process
from bench.process import ROOT
from bench.row import Measurement, Row, at_most
from tests.oracle.system import SECRET, System, Topology

CLIENTS = 100
CONTENTS = 20
PAUSE = 0.01  # seconds between two shares: of each content one in two tenths of a second
WARM = 800  # shares until the one that never reads has all that fits between it and the server
SHARES = WARM + 500


async def measure(harness: BenchHarness) -> Measurement:
    """Milliseconds from a share to each of the others, at the 99th percentile."""
    notes = [f"{CLIENTS} clients follow {CONTENTS} contents, {1 / PAUSE:.0f} shares a second"]
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
    who = "with one that never reads" if stuck else "without"
    notes.append(f"{who}: p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms")
    return found["p99"]


ROW = Row(
    name="live-slow",
    order=106,
    ours="live clients beside one that never reads, p99",
    reference="without it",
    unit="ms",
    target=at_most(1.25),
    measure=measure,
)
