"""Servers of a row's own: started for it, on loopback ports, and stopped or killed by it as it likes.

A database on one of them is not dropped in the end, for the whole server goes. Whatever takes a while here takes it
in a thread: the row's proxies carry the load meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from tests.faults.harness import FaultHarness
from tests.oracle.tables import open_tables, pending_and_parked
from tests.services.launch import ServerProcess
from tests.services.mysql import MYSQL
from tests.services.postgresql import POSTGRESQL
from tests.services.rabbitmq import RABBITMQ, command_line
from tests.services.server import Server, ServerKind, fresh_name, with_path

RECOVERY_LOAD_SECONDS = 5.0  # seconds under load when all is well again
KINDS: dict[str, ServerKind] = {"postgresql": POSTGRESQL, "mysql": MYSQL}


@dataclass(frozen=True, kw_only=True)
class PrivateServer:
    """A server that only this row uses; `url` is the address that the service gets."""

    url: str
    server: Server

    @property
    def process(self) -> ServerProcess:
        """To be stopped by."""
        assert self.server.process is not None
        return self.server.process

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        await asyncio.to_thread(self.process.stop)

    async def kill(self) -> None:
        """SIGKILL to all of it."""
        await asyncio.to_thread(self.process.kill)

    async def start(self) -> None:
        """Start it again, and wait until it answers."""
        await asyncio.to_thread(self.process.start)

    async def control(self, *arguments: str) -> None:
        """rabbitmqctl."""
        environment = {**os.environ, **self.server.control}
        command = [*command_line(self.server), "-q", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdin=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0, f"rabbitmqctl {' '.join(arguments)} failed"


async def private_database(harness: FaultHarness) -> PrivateServer:
    """An empty database of the stage's kind on a server of its own."""
    server, name = harness.enter(KINDS[harness.database].private()), fresh_name()
    async with open_tables(server.url) as tables:
        await tables.run(f"CREATE DATABASE {name}{' CHARACTER SET utf8mb4' if harness.database == 'mysql' else ''}")
    return PrivateServer(url=with_path(server.url, name), server=server)


def private_broker(harness: FaultHarness) -> PrivateServer:
    """A broker of its own, its default virtual host empty."""
    server = harness.enter(RABBITMQ.private())
    return PrivateServer(url=server.url, server=server)


async def count_pending(database: str) -> int:
    """How many events wait to be counted."""
    async with open_tables(database) as tables:
        return (await pending_and_parked(tables))[0]
