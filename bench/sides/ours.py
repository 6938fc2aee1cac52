"""Sharetally: two processes serving, and a worker and a relay where counting is measured."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.filling import postgresql as filling
from bench.load.tokens import tokens_in
from bench.reference.pgbench import FILLED
from bench.sides.side import accepted, drained
from bench.stage import PROCESSES, SETTINGS, Stage
from tests.oracle.client import Client
from tests.oracle.system import Shape, System

WARM = 3  # seconds


class Ours:
    """A running Sharetally on PostgreSQL and RabbitMQ."""

    name = "sharetally"

    def __init__(self, system: System, tokens: Path, connection: asyncpg.Connection) -> None:
        self.system = system
        self.tokens = tokens
        self.connection = connection

    @property
    def port(self) -> int:
        return self.system.port

    @property
    def amqp(self) -> str:
        """Its virtual host."""
        assert self.system.shape.broker
        return self.system.shape.broker

    async def backlog(self) -> int:
        """Every share that is not counted has its event."""
        found: int = await self.connection.fetchval("SELECT count(*) FROM events WHERE delta <> 0")
        return found

    async def counted(self, job: UUID) -> bool:
        """Whether this one is: its event is gone."""
        return not await self.connection.fetchval("SELECT EXISTS (SELECT FROM events WHERE id = $1)", job)

    async def proven(self) -> str:
        """No drift, or this fails."""
        said = await self.system.cli("verify", "--json")
        assert said.code == 0, f"verify: {said.out or said.err}"
        return f"verify afterwards: {said.out.strip()}"

    async def batches(self) -> tuple[float, float]:
        """How many commits there were, and how many wishes were in them."""
        with Client(self.port, patience=10.0) as client:
            text = (await client.ask("GET", "/metrics")).body.decode()
        return _sum(text, "sharetally_commit_batch_size_count"), _sum(text, "sharetally_commit_batch_size_sum")


def _sum(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? ([\d.e+]+)$", text, re.MULTILINE))


@asynccontextmanager
async def ours(
    stage: Stage, *, counting: bool = False, cache: bool = False, filled: int = FILLED, warm: bool = True
) -> AsyncIterator[Ours]:
    """Ready, filled and warm; with `counting` everything is counted meanwhile, by one worker."""
    with stage.migrated() as database, stage.virtual_host() as amqp:
        if filled:
            await asyncio.to_thread(filling.fill, database, records=filled)
        shape = Shape(
            database=database, broker=amqp, cache=stage.redis if cache else None, processes=PROCESSES,
            workers=int(counting), relays=int(counting), settings=SETTINGS,
        )  # fmt: skip
        async with stage.sharetally(shape) as system, _asking(database) as connection:
            side = Ours(system, tokens_in(stage.folder("tokens")), connection)
            if warm:
                await accepted(side, WARM)
            if warm and counting:
                await drained(side)
            yield side


@asynccontextmanager
async def _asking(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()
