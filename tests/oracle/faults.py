"""What goes wrong during a load: processes killed, the broker unreachable, database connections dropped.

The broker is cut off by the proxy that all our connections to it use, so that other users of the broker are not
affected; from a terminal, a broker of our own can also be stopped. Each fault happens at its given second.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from tests.oracle.process import Role
from tests.oracle.system import System
from tests.oracle.tables import Tables, open_tables
from tests.services.proxy import Proxy
from tests.services.rabbitmq import command_line
from tests.services.server import Server

Step = Callable[[], Awaitable[None]]


async def on_schedule(steps: Sequence[tuple[float, Step]]) -> None:
    """Take each step at its second, counted from now; one that takes long delays those after it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for second, step in sorted(steps, key=lambda item: item[0]):
        await asyncio.sleep(began + second - loop.time())
        await step()


def kill_worker(system: System, number: int) -> Step:
    """SIGKILL, and another one started in its place."""

    async def step() -> None:
        await _replace(system, system.workers[number % len(system.workers)])

    return step


def kill_serving(system: System) -> Step:
    """The same for all that serve: requests under way get no answer."""

    async def step() -> None:
        await _replace(system, system.serve)

    return step


async def _replace(system: System, role: Role) -> None:
    await role.kill()
    await system.start(role)


def drop_connections(system: System) -> Step:
    """The database ends every connection of ours, whatever it is in the middle of."""

    async def step() -> None:
        async with open_tables(system.database) as tables:
            for statement in await _endings(tables, system.database):
                with suppress(Exception):  # it may have ended by itself
                    await tables.run(statement)

    return step


async def _endings(tables: Tables, url: str) -> list[str]:
    if url.startswith("postgresql"):
        own = "datname = current_database() AND pid <> pg_backend_pid()"
        return [f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}"]
    own = "db = database() AND id <> connection_id()"
    return [f"KILL {row[0]}" for row in await tables.rows(f"SELECT id FROM information_schema.processlist WHERE {own}")]


def cut(proxy: Proxy, seconds: float) -> Step:
    """All connections to the broker end, and none is taken for so long."""

    async def step() -> None:
        await proxy.cut()
        await asyncio.sleep(seconds)
        await proxy.restore()

    return step


def stop_broker(broker: Server, seconds: float) -> Step:
    """The broker itself stops and starts again, which affects every client."""

    async def step() -> None:
        await _control(broker, "stop_app")
        await asyncio.sleep(seconds)
        await _control(broker, "start_app")

    return step


async def _control(broker: Server, command: str) -> None:
    environment = {**os.environ, **broker.control}
    process = await asyncio.create_subprocess_exec(*command_line(broker), "-q", command, env=environment)
    assert await process.wait() == 0, f"rabbitmqctl {command} failed"
