"""Runs several serving processes on one socket: restarts those that die, and renews all of them on SIGHUP.

On SIGTERM this process closes the socket before its children do. The last process that holds the socket must accept the
waiting connections, and this one never accepts any. A service manager may send the signal to the children as well.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from socket import socket
from types import FrameType

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from sharetally.web.serving.server import Server

START_SECONDS = 30.0  # for a new process to become ready on a busy machine
log = structlog.get_logger("sharetally")


class _Process(multiprocess.Process):
    """One serving process."""

    @property
    def server(self) -> Server:
        """The server, which is created in the child when it is first used."""
        if not isinstance(self._server, Server):
            self._server = Server(self.config)
        return self._server


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's supervisor, with our `Server`."""

    def __init__(self, config: uvicorn.Config, sockets: Sequence[socket]) -> None:
        super().__init__(config, list(sockets))
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._handle_stop_signal)

    def _handle_stop_signal(self, number: int, frame: FrameType | None) -> None:
        for each in self.sockets:
            each.close()
        self.signal_queue.append(number)

    def init_processes(self) -> None:
        """Start the configured number of processes."""
        self.processes += [each for each in [self._start_process() for _ in range(self.processes_num)] if each]

    def _start_process(self) -> _Process | None:
        """Start another process; None if a signal has already closed the socket that it needs."""
        process = _Process(self.config, self.sockets)
        with suppress(OSError, ValueError):
            process.start()
        return process if process.pid else None

    def keep_subprocess_alive(self) -> None:
        """Replace processes that died; give up if one could not start."""
        timeout = self.config.timeout_worker_healthcheck
        for index, process in enumerate(self.processes):
            if self.signal_queue or self.should_exit.is_set() or process.is_alive(timeout):
                continue
            process.kill()
            process.join()
            log.error("a serving process died", exit_code=process.exitcode)
            if process.exitcode == STARTUP_FAILURE:
                return self.should_exit.set()
            self.processes[index] = self._start_process() or process

    def restart_all(self) -> None:
        """Replace the processes one after the other: each new one serves before the old one ends."""
        for index, old in enumerate(self.processes):
            new = self._start_process()
            if new is None:
                return None
            if not new.wait_until_ready(START_SECONDS, self.should_exit):
                log.error("a new serving process is not ready in time; the old ones stay")
                new.kill()
                return new.join()
            old.terminate()
            old.join()
            self.processes[index] = new

    def handle_ttin(self) -> None:
        """Start another process."""
        self.processes_num += 1
        self.processes += [each for each in [self._start_process()] if each]
