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
from bench.harness import PROCESSES, SETTINGS, BenchHarness
from bench.load.tokens import write_tokens
from bench.reference.pgbench import FILLED
from bench.sides.side import accepted_rate, wait_until_drained
from tests.oracle.client import Client
from tests.oracle.system import System, Topology

WARM = 3  # seconds


class SharetallySide:
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
        assert self.system.topology.broker
        return self.system.topology.broker

    async def backlog(self) -> int:
        """Every share that is not counted has its event."""
        found: int = await self.connection.fetchval("SELECT count(*) FROM events WHERE delta <> 0")
        return found

    async def counted(self, job: UUID) -> bool:
        """Whether this one is: its event is gone."""
        return not await self.connection.fetchval("SELECT EXISTS (SELECT FROM events WHERE id = $1)", job)

    async def verify_counts(self) -> str:
        """No drift, or this fails."""
        said = await self.system.cli("verify", "--json")
        assert said.code == 0, f"verify: {said.out or said.err}"
        return f"verify afterwards: {said.out.strip()}"

    async def commit_totals(self) -> tuple[float, float]:
        """How many commits there were, and how many commands were in them."""
        with Client(self.port, max_seconds=10.0) as client:
            text = (await client.request("GET", "/metrics")).body.decode()
        return _sum(text, "sharetally_commit_batch_size_count"), _sum(text, "sharetally_commit_batch_size_sum")


def _sum(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? ([\d.e+]+)$", text, re.MULTILINE))


@asynccontextmanager
async def open_sharetally(
    harness: BenchHarness, *, counting: bool = False, cache: bool = False, filled: int = FILLED, warm: bool = True
) -> AsyncIterator[SharetallySide]:
    """Ready, filled and warm; with `counting`, one worker counts everything while it runs."""
    with harness.migrated() as database, harness.virtual_host() as amqp:
        if filled:
            await asyncio.to_thread(filling.fill, database, records=filled)
        topology = Topology(
            database=database, broker=amqp, cache=harness.redis if cache else None, processes=PROCESSES,
            workers=int(counting), relays=int(counting), settings=SETTINGS,
        )  # fmt: skip
        async with harness.sharetally(topology) as system, _asking(database) as connection:
            side = SharetallySide(system, write_tokens(harness.folder("tokens")), connection)
            if warm:
                await accepted_rate(side, WARM)
            if warm and counting:
                await wait_until_drained(side)
            yield side


@asynccontextmanager
async def _asking(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()
