"""The usual way, running: two processes serving, and a worker where counting is measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg

from bench.control.schemas import ShareCreatedJob
from bench.control.settings import QUEUE
from bench.filling import control as filling
from bench.harness import PROCESSES, BenchHarness
from bench.load.tokens import write_tokens
from bench.process import responds, run_process
from bench.reference.pgbench import FILLED
from bench.sides.side import accepted_rate, wait_until_drained
from tests.oracle.system import SECRET
from tests.services.launch import free_port

WARM = 3  # seconds
# Sums over the stored rows, because there are no events to look at.
_BACKLOG = """
SELECT (SELECT count(*) FROM video_share_records) + (SELECT count(*) FROM share_links)
     - (SELECT coalesce(sum(share_count), 0) FROM share_counts)
"""


class UsualSide:
    """The two requirement documents, built as usual, on PostgreSQL and RabbitMQ."""

    name = "usual way"

    queue = QUEUE

    def __init__(self, port: int, tokens: Path, connection: asyncpg.Connection, amqp: str) -> None:
        self.port = port
        self.tokens = tokens
        self.amqp = amqp
        self._connection = connection

    def job(self, content_id: str) -> bytes:
        """A message as its hooks send it."""
        job = ShareCreatedJob(
            jobId=str(uuid4()),
            shareId="1",
            contentType="video",
            contentId=content_id,
            userId="somebody",
            channelId="twitter",
            timestamp=datetime.now(UTC),
        )
        return job.model_dump_json().encode()

    async def count(self, content_id: str) -> int:
        """One video's count."""
        found = await self._connection.fetchval(
            "SELECT share_count FROM share_counts WHERE content_type = 'video' AND content_id = $1", content_id
        )
        return int(found or 0)

    async def backlog(self) -> int:
        """Stored, and not in a count."""
        return int(await self._connection.fetchval(_BACKLOG))


@asynccontextmanager
async def open_usual(
    harness: BenchHarness, *, counting: bool = False, filled: int = FILLED, warm: bool = True
) -> AsyncIterator[UsualSide]:
    """Ready, filled and warm; with `counting`, one worker counts everything while it runs."""
    with harness.postgresql_database() as database, harness.virtual_host() as amqp:
        settings = {"CONTROL_DATABASE_URL": database, "CONTROL_AMQP_URL": amqp, "CONTROL_JWT_SECRET": SECRET}
        folder = harness.folder("usual")
        await create(settings)
        await asyncio.to_thread(filling.fill, database, records=filled)
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(_serving(folder, settings))
            if counting:
                await stack.enter_async_context(worker(folder, settings))
            connection = await asyncpg.connect(database)
            stack.push_async_callback(connection.close)
            side = UsualSide(port, write_tokens(folder), connection, amqp)
            if warm:
                await accepted_rate(side, WARM)
            if warm and counting:
                await wait_until_drained(side)
            yield side


async def create(settings: dict[str, str]) -> None:
    """Make the tables."""
    from bench.control.schema import create as make

    await make(settings["CONTROL_DATABASE_URL"].replace("://", "+asyncpg://", 1))


@asynccontextmanager
async def _serving(folder: Path, settings: dict[str, str]) -> AsyncIterator[int]:
    port = free_port()
    arguments = ["bench.control.app:create_app", "--factory", "--port", str(port), "--workers", str(PROCESSES)]
    tuned = ["--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log", "--log-level", "warning"]
    async with run_process(
        "uvicorn", *arguments, *tuned, log=folder / "serve.log", settings=settings,
        ready=lambda: responds(port, "/health"),
    ):  # fmt: skip
        yield port


@asynccontextmanager
async def worker(folder: Path, settings: dict[str, str]) -> AsyncIterator[None]:
    """One worker; it takes messages as fast as it can."""

    async def ready() -> bool:
        return True

    async with run_process("bench.control.worker", log=folder / "worker.log", settings=settings, ready=ready):
        yield
