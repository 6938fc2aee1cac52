"""Ten thousand clients of one process: how long after the last of many shares all of them have the last version.

The reference is one bare round to as many clients, plus the tenth of a second in which changes of a content item are
combined into one update. The notes have the round trip to a single client, which excludes writing to ten thousand.
"""

from __future__ import annotations

from bench.alternate import alternate, figure
from bench.harness import SETTINGS, BenchHarness
from bench.load.live import LiveLoad, run_in_process
from bench.process import ROOT
from bench.reference.broadcaster import run_broadcaster
from bench.row import Measurement, Row, at_most
from tests.oracle.system import SECRET, System, Topology

CLIENTS = 10_000
STEP = 100.0  # milliseconds in which changes are combined into one update
SHARES = 150  # fifty per second
ROUNDS = 10
KIBIBYTE = 1024


async def measure(harness: BenchHarness) -> Measurement:
    """Milliseconds, with the embedded default configuration."""
    shares = f"{SHARES} shares of the content item that they follow in {SHARES // 50} s"
    notes = [f"{CLIENTS:,} WebSocket clients, one process, {shares}"]
    async with harness.sharetally(Topology(settings=SETTINGS)) as system:
        found = await alternate(harness.options.pairs, lambda: _crowd(system, notes), lambda: _bare(harness, notes))
        notes.append(f"a single client sees a single share after {figure(await _one(system))} ms")
    return Measurement(ours=found.ours, theirs=found.theirs, notes=tuple(notes))


async def _crowd(system: System, notes: list[str]) -> float:
    task = LiveLoad(
        port=system.port, secret=SECRET, pid=system.serve.pid, clients=CLIENTS, contents=1, shares=SHARES, pause=0.02
    )
    found = await run_in_process(task, ROOT)
    notes.append(
        f"connected in {found['connect']:.1f} s, {found['bytes'] / KIBIBYTE:.1f} KiB per client; "
        f"a share is seen after p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms"
    )
    return found["last"]


async def _bare(harness: BenchHarness, notes: list[str]) -> float:
    async with run_broadcaster(harness.folder("rounds")) as (port, pid):
        task = LiveLoad(
            port=port, secret=SECRET, pid=pid, clients=CLIENTS, contents=1, shares=ROUNDS, pause=0.2, one_by_one=True
        )
        found = (await run_in_process(task, ROOT))["round"]
    notes.append(f"a bare round takes {figure(found)} ms")
    return STEP + found


async def _one(system: System) -> float:
    task = LiveLoad(
        port=system.port, secret=SECRET, pid=system.serve.pid, clients=1, contents=50, shares=100, pause=0.02,
        one_by_one=True,
    )  # fmt: skip
    return (await run_in_process(task, ROOT))["p50"]


ROW = Row(
    name="live-clients",
    order=104,
    ours="until 10,000 live clients have the last version",
    reference="one bare round to as many clients plus one update interval",
    unit="ms",
    target=at_most(1),
    measure=measure,
)
