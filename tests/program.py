"""The program `sharetally` as people run it: its own process, in its own folder, with these settings.

Nothing is ended here that was not started here. A role has to end by itself when it is asked to; one that does not
is killed, and its test fails.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sharetally.adapters.migrations.runner import upgrade

TIMEOUT = 30.0  # seconds; only what is broken takes so long
COMMAND = (sys.executable, "-m", "sharetally")


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and its output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.out)


class Program:
    """One installation: its folder and its settings, by their names without the prefix."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = {"DATA_DIR": str(folder / "data"), "LOG_FORMAT": "json", **settings}
        self.paths: tuple[str, ...] = ()

    def environment(self) -> Mapping[str, str]:
        """Nothing of the tester's own settings gets in."""
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("SHARETALLY_")}
        ours = {f"SHARETALLY_{name}": value for name, value in self.settings.items()}
        paths = os.pathsep.join([*self.paths, foreign.get("PYTHONPATH", "")]).strip(os.pathsep)
        return {**foreign, **ours, "PYTHONPATH": paths, "NO_COLOR": "1"}

    def migrate(self) -> None:
        """Bring its database to the head. The command that does so has tests of its own; here it is not started."""
        url = self.settings.get("DATABASE_URL") or f"sqlite:///{self.settings['DATA_DIR']}/sharetally.db"
        with ThreadPoolExecutor(max_workers=1) as beside:  # some who ask are async
            beside.submit(upgrade, url).result()

    def run(self, *arguments: str) -> CommandResult:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *arguments], env=self.environment(), cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=TIMEOUT,
        )  # fmt: skip
        return CommandResult(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start_role(self, *arguments: str) -> Iterator[Role]:
        """A running role; it is stopped at the end, unless the test has stopped it."""
        with self.start_command(*COMMAND, *arguments) as role:
            yield role

    @contextmanager
    def start_command(self, *command: str, **settings: str) -> Iterator[Role]:
        """Another program in the same folder, with the same settings and these."""
        log = self.folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env={**self.environment(), **settings}, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        role = Role(process, log)
        try:
            yield role
            role.stop()
        finally:
            role.kill()


class Role:
    """A running process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def output(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """Its log, line by line."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def wait_for_output(self, text: str) -> None:
        """Wait until it wrote this."""
        self.until(lambda: text in self.output)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait, as long as it lives."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert self._process.poll() is None, f"it ended with {self._process.returncode}: {self.output[-2000:]}"
            assert time.monotonic() < deadline, f"not within {TIMEOUT:.0f} s: {self.output[-2000:]}"
            time.sleep(0.02)

    @property
    def processes(self) -> set[int]:
        """It and all processes below it."""
        return {self._process.pid, *(each.pid for each in psutil.Process(self._process.pid).children(recursive=True))}

    @property
    def children(self) -> set[int]:
        """The processes that it started."""
        return {child.pid for child in psutil.Process(self._process.pid).children()}

    def tell(self, what: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(what)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code; again, return the same."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        return self.ended()

    def ended(self) -> int:
        """Wait for it to end by itself."""
        return self._process.wait(TIMEOUT)

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def fetch(
    url: str,
    *,
    token: str = "",
    body: object = None,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Status and decoded body; 0 if there is no answer."""
    headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return answer.status, _read(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, _read(refused.read())
    except OSError:
        return 0, None


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
