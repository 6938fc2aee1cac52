"""One row's work for three databases: a share with many records stored, against one with few."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from bench.pairs import in_turn
from bench.row import Measured, Row, at_most
from bench.sides.ledgers import cost, ledger, one_process
from bench.stage import Stage
from tests.oracle.system import System

FEW = 10_000
WARM = 3  # seconds


def grown(name: str, kind: str, order: int) -> Row:
    """The row of one kind of database."""

    async def measure(stage: Stage) -> Measured:
        return await _measured(stage, kind)

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


async def _measured(stage: Stage, kind: str) -> Measured:
    """The few are made anew for each pair, so that they stay few."""
    options = stage.options
    notes = [f"{options.records:,} records at first, in {kind}, one process"]
    async with AsyncExitStack() as stack:
        many = await _open(stage, stack, kind, options.records)
        await cost(stage, many, WARM)

        async def few() -> float:
            async with AsyncExitStack() as own:
                system = await _open(stage, own, kind, FEW)
                await cost(stage, system, WARM)
                return await cost(stage, system, options.seconds)

        return await in_turn(options.pairs, lambda: cost(stage, many, options.seconds), few, notes=notes)


async def _open(stage: Stage, stack: AsyncExitStack, kind: str, records: int) -> System:
    filled = ledger(stage, kind, records)
    url = await asyncio.to_thread(filled.__enter__)
    stack.push(filled.__exit__)
    return await stack.enter_async_context(one_process(stage, url))
