"""A run: a system, its load, what goes wrong meanwhile, the watch, and the judge's verdict at the end.

`perform` does all of it on a system that is ready; `run` also makes the system, with a proxy before the broker if
there is one to cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles

from tests.oracle.faults import (
    Step,
    cut,
    drop_connections,
    kill_serving,
    kill_worker,
    on_schedule,
    stop_broker,
)
from tests.oracle.judge import judge
from tests.oracle.load import Load
from tests.oracle.promises import Promises
from tests.oracle.system import System, Topology, open_system
from tests.oracle.tally import Journal
from tests.oracle.verdict import Findings, Verdict
from tests.oracle.watch import VerificationWatch
from tests.services.proxy import Proxy, open_proxy
from tests.services.server import Server


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to a system, in seconds from the load's beginning.

    `max_seconds` is how long counting may take after the load; `broker_to_stop` names the broker to stop instead of
    cutting the line to it.
    """

    seconds: float = 60.0
    clients: int = 32
    seed: int = 1
    kill_worker_at: tuple[float, ...] = ()
    kill_serving_at: tuple[float, ...] = ()
    drop_connections_at: tuple[float, ...] = ()
    cut_broker_at: float | None = None
    cut_broker_for: float = 20.0
    broker_to_stop: Server | None = None
    max_seconds: float = 120.0


async def run(topology: Topology, plan: Plan, folder: Path) -> Verdict:
    """Make the system, perform the plan on it, end it."""
    async with _wired(topology, plan) as (behind, proxy), open_system(behind, folder) as system:
        return await perform(system, plan, folder, proxy)


@asynccontextmanager
async def _wired(topology: Topology, plan: Plan) -> AsyncIterator[tuple[Topology, Proxy | None]]:
    """The same shape, with a proxy of ours between it and its broker if that is to be cut."""
    if topology.broker is None or plan.cut_broker_at is None or plan.broker_to_stop:
        yield topology, None
        return
    async with open_proxy(topology.broker) as proxy:
        yield replace(topology, broker=proxy.url), proxy


async def perform(system: System, plan: Plan, folder: Path, proxy: Proxy | None = None) -> Verdict:
    """Load and faults side by side, then the judge; the watch looks on all the while."""
    load, watch = Load(system, clients=plan.clients, seed=plan.seed), VerificationWatch(system)
    async with run_in_background(watch.run()):
        with Journal(folder / "journal.jsonl") as journal:
            async with asyncio.TaskGroup() as group:
                group.create_task(on_schedule(_steps(system, plan, proxy)))
                await load.run(plan.seconds, journal)
        findings = await judge(load, max_seconds=plan.max_seconds)
    await watch.verify()
    return make_verdict(load, watch, findings, plan.seconds)


def _steps(system: System, plan: Plan, proxy: Proxy | None) -> Sequence[tuple[float, Step]]:
    steps = [(second, kill_worker(system, number)) for number, second in enumerate(plan.kill_worker_at)]
    steps += [(second, kill_serving(system)) for second in plan.kill_serving_at]
    steps += [(second, drop_connections(system)) for second in plan.drop_connections_at]
    if plan.cut_broker_at is not None:
        steps.append((plan.cut_broker_at, _drop_broker(plan, proxy)))
    return steps


def _drop_broker(plan: Plan, proxy: Proxy | None) -> Step:
    if plan.broker_to_stop:
        return stop_broker(plan.broker_to_stop, plan.cut_broker_for)
    assert proxy is not None, "there is no broker to cut"
    return cut(proxy, plan.cut_broker_for)


@asynccontextmanager
async def run_in_background(task: asyncio._CoroutineLike[None]) -> AsyncIterator[None]:
    """Run something for as long as the block lasts; its failure is the block's."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(task)
        yield
        running.cancel()


def make_verdict(load: Promises, watch: VerificationWatch, findings: Findings, seconds: float) -> Verdict:
    """All that was seen, in one value."""
    tally = load.tally
    return Verdict(
        topology=str(load.system.topology),
        seconds=seconds,
        operations=dict(tally.operations.most_common()),
        outcomes=dict(tally.outcomes.most_common()),
        milliseconds=_milliseconds(tally.latencies),
        unexpected=tuple(tally.unexpected),
        unexpected_answers=tally.faults,
        uncertain=len(tally.uncertain),
        looks=watch.looks,
        drifted=tuple(watch.drifted),
        unexpected_log_lines=tuple(load.system.unexpected_log_lines()),
        findings=findings,
    )


def _milliseconds(latencies: Sequence[float]) -> dict[str, float]:
    if len(latencies) < 2:
        return {}
    hundredths = quantiles(latencies, n=100)
    return {
        "median": round(hundredths[49] * 1000, 1),
        "p99": round(hundredths[98] * 1000, 1),
        "max": round(max(latencies) * 1000, 1),
    }
