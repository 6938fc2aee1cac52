"""One role of the system as a real process: started, checked for readiness, stopped or killed.

A role has its own session, so that killing it also kills the processes that it started, as a crash of the machine
would; nothing else is ever ended here. Its output goes to its own log file.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.oracle.client import Client, NoResponse
from tests.services.launch import serves

START = 60.0  # seconds for a start or a stop, on a busy machine
COMMAND = (sys.executable, "-m", "sharetally")


class Role:
    """`serve`, a `worker` or a `relay`; it answers /health/ready on `port` once it works."""

    def __init__(
        self, name: str, arguments: Sequence[str], *, port: int, environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.port = port
        self.log = log
        self._arguments = tuple(arguments)
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it need not be ready yet."""
        assert self._process is None
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND, *self._arguments, env=self._environment, cwd=self.log.parent,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    async def ready(self) -> None:
        """Return once it says that it is ready; fail if it ends, takes too long, or another process answers."""
        deadline = time.monotonic() + START
        with Client(self.port, max_seconds=5.0) as client:
            while not await _is_ready(client):
                assert self.running, f"{self.name} ended: {self._last_words()}"
                assert time.monotonic() < deadline, f"{self.name} is not ready: {self._last_words()}"
                await asyncio.sleep(0.05)
        assert serves(self.pid, self.port), f"another process than {self.name} answers on port {self.port}"

    def set(self, name: str, value: str | None) -> None:
        """A setting, or no longer one, from the next start on."""
        self._environment.pop(f"SHARETALLY_{name}", None)
        if value is not None:
            self._environment[f"SHARETALLY_{name}"] = value

    def set_environment(self, **environment: str | None) -> None:
        """Set an environment variable that is not a setting, from the next start on; None removes it."""
        for name, value in environment.items():
            self._environment.pop(name, None)
            if value is not None:
                self._environment[name] = value

    async def wait_for_exit(self, within: float = START) -> int:
        """Wait until it ends by itself, and return its exit code; what it started ends too."""
        process = self._process
        assert process is not None
        try:
            async with asyncio.timeout(within):
                code = await process.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} still runs after {within:.0f} s") from None
        _kill_group(process.pid)
        self._process = None
        return code

    def signal(self, number: signal.Signals) -> None:
        """A signal to it and to all that it started."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    @property
    def pid(self) -> int:
        """The process, and the process group that it leads."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def ended(self) -> int | None:
        """The exit code of a role that ended by itself."""
        return self._process.returncode if self._process is not None else None

    async def stop(self) -> int:
        """Ask it to end, wait, and return its exit code; what does not end in time is killed."""
        process, self._process = self._process, None
        assert process is not None
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(START):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            _kill_group(process.pid)
        return await process.wait()

    async def kill(self) -> None:
        """End it and all it started at once, without a word."""
        process, self._process = self._process, None
        assert process is not None
        _kill_group(process.pid)
        await process.wait()

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace").strip()[-1500:]


async def _is_ready(client: Client) -> bool:
    try:
        return (await client.request("GET", "/health/ready")).status == 200
    except NoResponse:
        return False


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
