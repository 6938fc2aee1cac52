"""A process that a row needs in addition to Sharetally: in its own session, ready when used, ended with its row."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.oracle.client import Client, NoResponse

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0  # seconds to start or to end, on a busy machine


@asynccontextmanager
async def run_process(
    module: str,
    *arguments: str,
    log: Path,
    settings: Mapping[str, str],
    ready: Callable[[], Awaitable[bool]],
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m MODULE ARGUMENTS`, from the moment when it is ready until the context ends."""
    process = await _started([sys.executable, "-m", module, *arguments], log, settings)
    try:
        await _until(ready, process, log)
        yield process
        assert process.returncode is None, f"{module} ended by itself: {_last_words(log)}"
    finally:
        await _ended(process)


async def _started(command: Sequence[str], log: Path, settings: Mapping[str, str]) -> asyncio.subprocess.Process:
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=log.parent, stdin=asyncio.subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


async def _until(ready: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not await ready():
        assert process.returncode is None, f"it ended: {_last_words(log)}"
        assert time.monotonic() < deadline, f"it is not ready: {_last_words(log)}"
        await asyncio.sleep(0.05)


async def _ended(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), START_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-1500:]


async def responds(port: int, path: str) -> bool:
    """Whether a server answers there without an error."""
    with Client(port, max_seconds=5.0) as client:
        try:
            return (await client.request("GET", path)).status < 400
        except NoResponse:
            return False
