"""Private servers: started here, in a folder of their own, on free ports of the loopback; ended here.

A server runs in a session of its own, so that Ctrl-C reaches the tests alone and they can still clean up on
it. It is told to stop by its process id; what is left of its process group after a while is killed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.server import Unavailable

PATIENCE = 60.0  # seconds for a start or a stop, on a busy machine


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(host: str, port: int) -> bool:
    """Whether anybody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


@contextmanager
def folder(owner: str | None = None) -> Iterator[Path]:
    """A temporary folder, given to `owner` if need be. Its path is short: sockets allow 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="sharetally-"))
    try:
        if owner:
            shutil.chown(path, owner)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def unprivileged(name: str) -> str | None:
    """The user to run as where root is refused; None when we are not root anyway."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        raise Unavailable(f"there is no user {name} to run it as") from None


def prepare(command: Sequence[str], user: str | None = None) -> None:
    """Run a command that makes a server's files."""
    done = subprocess.run(
        command, user=user, group=user, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(f"{Path(command[0]).name} failed: {done.stdout.strip()[-300:]}")


@contextmanager
def launched(
    command: Sequence[str],
    ready: Callable[[], bool],
    *,
    log: Path,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """The server, from when it is ready until the context ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, user=user, group=user, cwd="/", env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _await(process, ready, log)
        yield
    finally:
        _stop(process, stop)


def _await(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"it did not start: {log.read_text(errors='replace').strip()[-300:]}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
