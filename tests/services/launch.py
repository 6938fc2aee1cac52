"""Private servers: started here, in a folder of their own, on free ports of the loopback interface; ended here.

A server runs in its own session, so that Ctrl-C reaches only the tests, which can then still clean up. It is stopped
by its process id; what is left of its process group after a while is killed. Its `ServerProcess` stops or kills it in
the middle of a test, and starts it again on the same port with the same data.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.services.server import Unavailable

TIMEOUT = 60.0  # seconds for a start or a stop, on a busy machine
_LISTENS = "0A"  # as Linux writes it in /proc/net/tcp


def free_port() -> int:
    """A port that is bound before it is handed out, and stays bound until this process ends.

    The socket that holds it does not listen: connections are refused until the server for which the port is meant
    listens there, also while that server is down or restarts. No other caller of this function can get the port in
    the meantime, in any process. The port is below the range that Linux uses for outgoing connections: otherwise one
    of them would sooner or later take the place of a server that is down, or even be connected to itself.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))  # fails where anybody is bound, listening or not
        except OSError:
            holder.close()
            continue
        # From now on a server may bind the same port, because servers set this option and the holder never listens.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.detach()  # it stays open until the process ends
        return port


def is_listening(host: str, port: int) -> bool:
    """Whether anybody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


@contextmanager
def temporary_folder(owner: str | None = None) -> Iterator[Path]:
    """A temporary folder, given to `owner` if need be. Its path is short: sockets allow 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="sharetally-"))
    try:
        if owner:
            shutil.chown(path, owner)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def unprivileged_user(name: str) -> str | None:
    """The user to run as where root is refused; None when we are not root anyway."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        raise Unavailable(f"there is no user {name} to run it as") from None


def run_setup(command: Sequence[str], user: str | None = None) -> None:
    """Run a command that makes a server's files."""
    done = subprocess.run(
        command, user=user, group=user, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(f"{Path(command[0]).name} failed: {done.stdout.strip()[-300:]}")


class ServerProcess:
    """How a server is stopped, killed and started again; each waits until it is done."""

    def __init__(
        self,
        command: Sequence[str],
        ready: Callable[[], bool],
        *,
        log: Path,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = tuple(command)
        self._ready = ready
        self._log = log
        self._user = user
        self._environment = dict(environment or {})
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, user=self._user, group=self._user, cwd="/", env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + TIMEOUT
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"it did not start: {self._log.read_text(errors='replace').strip()[-300:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to end; what does not end is killed. Repeating is fine."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(self._stop)
            with suppress(subprocess.TimeoutExpired):
                process.wait(TIMEOUT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill(self) -> None:
        """SIGKILL to it and to every process that it started, in the middle of whatever they do."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGSTOP)  # or it would start others meanwhile
        processes = family(process.pid)
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
        while any(map(_lives, processes)):
            time.sleep(0.01)


@contextmanager
def run_server(switch: ServerProcess) -> Iterator[None]:
    """The server, from when it is ready until the context ends."""
    try:
        switch.start()
        yield
    finally:
        switch.stop()


def serves(pid: int, port: int) -> bool:
    """Whether this process, or one that descends from it, listens on the port."""
    for each in family(pid):
        with suppress(psutil.Error):  # it ended
            if any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in each.net_connections("inet")
            ):
                return True
    return False


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it; PostgreSQL's are in sessions of their own."""
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
