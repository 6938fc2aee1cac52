"""One row's work for three databases: a share with many records stored, against one with few."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from bench.alternate import alternate
from bench.harness import BenchHarness
from bench.row import Measurement, Row, at_most
from bench.sides.ledgers import one_process, open_ledger, request_cost
from tests.oracle.system import System

FEW = 10_000
WARM = 3  # seconds


def growth_row(name: str, kind: str, order: int) -> Row:
    """The row of one kind of database."""

    async def measure(harness: BenchHarness) -> Measurement:
        return await _measured(harness, kind)

    return Row(
        name=name,
        order=order,
        ours=f"a share with 10,000,000 records stored, {kind}",
        reference="with 10,000",
        unit="µs/share",
        target=at_most(1.25),
        measure=measure,
        full=True,
    )


async def _measured(harness: BenchHarness, kind: str) -> Measurement:
    """The few are created again for each pair, so that they stay few."""
    options = harness.options
    notes = [f"{options.records:,} records at the start, in {kind}, one process"]
    async with AsyncExitStack() as stack:
        many = await _open(harness, stack, kind, options.records)
        await request_cost(harness, many, WARM)

        async def few() -> float:
            async with AsyncExitStack() as own:
                system = await _open(harness, own, kind, FEW)
                await request_cost(harness, system, WARM)
                return await request_cost(harness, system, options.seconds)

        return await alternate(options.pairs, lambda: request_cost(harness, many, options.seconds), few, notes=notes)


async def _open(harness: BenchHarness, stack: AsyncExitStack, kind: str, records: int) -> System:
    filled = open_ledger(harness, kind, records)
    url = await asyncio.to_thread(filled.__enter__)
    stack.push(filled.__exit__)
    return await stack.enter_async_context(one_process(harness, url))
