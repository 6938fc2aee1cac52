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
from tests.oracle.system import Shape, System, open_system
from tests.oracle.tally import Journal
from tests.oracle.verdict import Findings, Verdict
from tests.oracle.watch import Watch
from tests.services.proxy import Proxy, open_proxy
from tests.services.server import Server


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to a system, in seconds from the load's beginning.

    `patience` is how long counting may take after the load; `stop_really` names the broker to stop instead of
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
    stop_really: Server | None = None
    patience: float = 120.0


async def run(shape: Shape, plan: Plan, folder: Path) -> Verdict:
    """Make the system, perform the plan on it, end it."""
    async with _wired(shape, plan) as (behind, proxy), open_system(behind, folder) as system:
        return await perform(system, plan, folder, proxy)


@asynccontextmanager
async def _wired(shape: Shape, plan: Plan) -> AsyncIterator[tuple[Shape, Proxy | None]]:
    """The same shape, with a proxy of ours between it and its broker if that is to be cut."""
    if shape.broker is None or plan.cut_broker_at is None or plan.stop_really:
        yield shape, None
        return
    async with open_proxy(shape.broker) as proxy:
        yield replace(shape, broker=proxy.url), proxy


async def perform(system: System, plan: Plan, folder: Path, proxy: Proxy | None = None) -> Verdict:
    """Load and faults side by side, then the judge; the watch looks on all the while."""
    load, watch = Load(system, clients=plan.clients, seed=plan.seed), Watch(system)
    async with beside(watch.run()):
        with Journal(folder / "journal.jsonl") as journal:
            async with asyncio.TaskGroup() as group:
                group.create_task(on_schedule(_steps(system, plan, proxy)))
                await load.run(plan.seconds, journal)
        findings = await judge(load, patience=plan.patience)
    await watch.look()
    return verdict_on(load, watch, findings, plan.seconds)


def _steps(system: System, plan: Plan, proxy: Proxy | None) -> Sequence[tuple[float, Step]]:
    steps = [(second, kill_worker(system, number)) for number, second in enumerate(plan.kill_worker_at)]
    steps += [(second, kill_serving(system)) for second in plan.kill_serving_at]
    steps += [(second, drop_connections(system)) for second in plan.drop_connections_at]
    if plan.cut_broker_at is not None:
        steps.append((plan.cut_broker_at, _away(plan, proxy)))
    return steps


def _away(plan: Plan, proxy: Proxy | None) -> Step:
    if plan.stop_really:
        return stop_broker(plan.stop_really, plan.cut_broker_for)
    assert proxy is not None, "there is no broker to cut"
    return cut(proxy, plan.cut_broker_for)


@asynccontextmanager
async def beside(task: asyncio._CoroutineLike[None]) -> AsyncIterator[None]:
    """Run something for as long as the block lasts; its failure is the block's."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(task)
        yield
        running.cancel()


def verdict_on(load: Promises, watch: Watch, findings: Findings, seconds: float) -> Verdict:
    """All that was seen, in one value."""
    tally = load.tally
    return Verdict(
        shape=str(load.system.shape),
        seconds=seconds,
        wishes=dict(tally.wishes.most_common()),
        outcomes=dict(tally.outcomes.most_common()),
        milliseconds=_milliseconds(tally.latencies),
        unexpected=tuple(tally.unexpected),
        unexpected_answers=tally.faults,
        uncertain=len(tally.uncertain),
        looks=watch.looks,
        drifted=tuple(watch.drifted),
        grumbling=tuple(load.system.grumbling()),
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
