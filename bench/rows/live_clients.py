"""Ten thousand clients of one process: how long after the last share of many all are at the last version.

It is measured against what one client waits for one share, plus the tenth of a second in which changes of a content
are told together.
"""

from __future__ import annotations

from bench.load.live import Task, ran
from bench.pairs import figure, in_turn
from bench.process import ROOT
from bench.row import Measured, Row, at_most
from bench.stage import SETTINGS, Stage
from tests.oracle.system import SECRET, Shape, System

CLIENTS = 10_000
STEP = 100.0  # milliseconds in which changes are told together
SHARES = 150  # fifty a second
KIBIBYTE = 1024


async def measure(stage: Stage) -> Measured:
    """Milliseconds, on the embedded default."""
    notes = [f"{CLIENTS:,} WebSocket clients, one process, {SHARES} shares of what they follow in {SHARES // 50} s"]
    async with stage.sharetally(Shape(settings=SETTINGS)) as system:
        return await in_turn(stage.options.pairs, lambda: _crowd(system, notes), lambda: _one(system), notes=notes)


async def _crowd(system: System, notes: list[str]) -> float:
    task = Task(
        port=system.port, secret=SECRET, pid=system.serve.pid, clients=CLIENTS, contents=1, shares=SHARES, pause=0.02
    )
    found = await ran(task, ROOT)
    notes.append(
        f"connected in {found['connect']:.1f} s, {found['bytes'] / KIBIBYTE:.1f} KiB a client; "
        f"a share seen after p50 {figure(found['p50'])} ms, p99 {figure(found['p99'])} ms"
    )
    return found["last"]


async def _one(system: System) -> float:
    task = Task(
        port=system.port, secret=SECRET, pid=system.serve.pid, clients=1, contents=50, shares=100, pause=0.02,
        one_by_one=True,
    )  # fmt: skip
    return STEP + (await ran(task, ROOT))["p50"]


ROW = Row(
    name="live-clients",
    order=104,
    ours="10,000 live clients all at the last version",
    reference="a round trip and one step of telling",
    unit="ms",
    target=at_most(1),
    measure=measure,
)
