"""What goes wrong during a load, and when: workers killed, the broker out of reach, at set seconds.

The broker is cut by the wire that all our connections to it go through, so that nobody else's broker is touched;
from a terminal it can also be stopped for real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.contracts.wire import Wire
from tests.oracle.system import System
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
        worker = system.workers[number % len(system.workers)]
        await worker.kill()
        await system.start(worker)

    return step


def cut(wire: Wire, seconds: float) -> Step:
    """All connections to the broker end, and none is taken for so long."""

    async def step() -> None:
        await wire.cut()
        await asyncio.sleep(seconds)
        await wire.mend()

    return step


def stop_broker(broker: Server, seconds: float) -> Step:
    """The broker itself stops and starts again: for all who use it."""

    async def step() -> None:
        await _control(broker, "stop_app")
        await asyncio.sleep(seconds)
        await _control(broker, "start_app")

    return step


async def _control(broker: Server, command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command_line(broker), "-q", command)
    assert await process.wait() == 0, f"rabbitmqctl {command} failed"
