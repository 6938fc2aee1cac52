"""Ten thousand clients of one process: how long after the last share of many all are at the last version.

It is measured against one bare round to as many clients, plus the tenth of a second in which changes of a content are
told together. A round trip to one client alone is in the notes: it leaves out that ten thousand are written to.
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
STEP = 100.0  # milliseconds in which changes are told together
SHARES = 150  # fifty a second
ROUNDS = 10
KIBIBYTE = 1024


async def measure(harness: BenchHarness) -> Measurement:
    """Milliseconds, on the embedded default."""
    notes = [f"{CLIENTS:,} WebSocket clients, one process, {SHARES} shares of what they follow in {SHARES // 50} s"]
    async with harness.sharetally(Topology(settings=SETTINGS)) as system:
        found = await alternate(harness.options.pairs, lambda: _crowd(system, notes), lambda: _bare(harness, notes))
        notes.append(f"a share alone is seen by one client after {figure(await _one(system))} ms")
    return Measurement(ours=found.ours, theirs=found.theirs, notes=tuple(notes))


async def _crowd(system: System, notes: list[str]) -> float:
    task = LiveLoad(
        port=system.port, secret=SECRET, pid=system.serve.pid, clients=CLIENTS, contents=1, shares=SHARES, pause=0.02
    )
    found = await run_in_process(task, ROOT)
    notes.append(
        f"connected in {found['connect']:.1f} s, {found['bytes'] / KIBIBYTE:.1f} KiB a client; "
        f"a share seen after p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms"
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
    ours="10,000 live clients all at the last version",
    reference="a bare round to as many and one step of telling",
    unit="ms",
    target=at_most(1),
    measure=measure,
)
