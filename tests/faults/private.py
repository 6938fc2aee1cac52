"""Servers of a row's own: started for it, on loopback ports, and stopped or killed by it as it likes.

A database on one of them is not dropped in the end, for the whole server goes. Whatever takes a while here takes it
in a thread: the row's proxies carry the load meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from tests.faults.stage import Stage
from tests.oracle.tables import open_tables, waiting
from tests.services.launch import Switch
from tests.services.mysql import MYSQL
from tests.services.postgresql import POSTGRESQL
from tests.services.rabbitmq import RABBITMQ, command_line
from tests.services.server import Kind, Server, fresh_name, with_path

AFTER = 5.0  # seconds under load when all is well again
KINDS: dict[str, Kind] = {"postgresql": POSTGRESQL, "mysql": MYSQL}


@dataclass(frozen=True, kw_only=True)
class Private:
    """A server that is this row's alone; `url` is what the service is told."""

    url: str
    server: Server

    @property
    def switch(self) -> Switch:
        """To be stopped by."""
        assert self.server.switch is not None
        return self.server.switch

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        await asyncio.to_thread(self.switch.stop)

    async def kill(self) -> None:
        """SIGKILL to all of it."""
        await asyncio.to_thread(self.switch.kill)

    async def start(self) -> None:
        """Start it again, and wait until it answers."""
        await asyncio.to_thread(self.switch.start)

    async def control(self, *arguments: str) -> None:
        """rabbitmqctl."""
        environment = {**os.environ, **self.server.control}
        command = [*command_line(self.server), "-q", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdin=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0, f"rabbitmqctl {' '.join(arguments)} failed"


async def private_database(stage: Stage) -> Private:
    """An empty database of the stage's kind on a server of its own."""
    server, name = stage.enter(KINDS[stage.database].private()), fresh_name()
    async with open_tables(server.url) as tables:
        await tables.run(f"CREATE DATABASE {name}{' CHARACTER SET utf8mb4' if stage.database == 'mysql' else ''}")
    return Private(url=with_path(server.url, name), server=server)


def private_broker(stage: Stage) -> Private:
    """A broker of its own, its default virtual host empty."""
    server = stage.enter(RABBITMQ.private())
    return Private(url=server.url, server=server)


async def pending(database: str) -> int:
    """How many events wait to be counted."""
    async with open_tables(database) as tables:
        return (await waiting(tables))[0]
