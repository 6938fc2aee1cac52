"""Several serving processes on one socket: what dies is started again, SIGHUP renews them one after the other.

On SIGTERM this process lets go of the socket before its children do: whoever holds it last lets in who stands
before it, and this one never takes anybody in. A supervisor that signals the children too does no harm.
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

START_SECONDS = 30.0  # for a new one to serve, on a busy machine
log = structlog.get_logger("sharetally")


class _Process(multiprocess.Process):
    """A child."""

    @property
    def server(self) -> Server:
        """Made in the child, when it is first asked for."""
        if not isinstance(self._server, Server):
            self._server = Server(self.config)
        return self._server


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's supervisor, over our `Server`."""

    def __init__(self, config: uvicorn.Config, sockets: Sequence[socket]) -> None:
        super().__init__(config, list(sockets))
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._handle_stop_signal)

    def _handle_stop_signal(self, number: int, frame: FrameType | None) -> None:
        for each in self.sockets:
            each.close()
        self.signal_queue.append(number)

    def init_processes(self) -> None:
        """Start as many as were asked for."""
        self.processes += [each for each in [self._start_process() for _ in range(self.processes_num)] if each]

    def _start_process(self) -> _Process | None:
        """One more, unless we were told to end: then there is no socket to give to it."""
        process = _Process(self.config, self.sockets)
        with suppress(OSError, ValueError):
            process.start()
        return process if process.pid else None

    def keep_subprocess_alive(self) -> None:
        """Start what died again; give up if one cannot even start."""
        for index, process in enumerate(self.processes):
            if self.signal_queue or self.should_exit.is_set() or process.is_alive(self._patience):
                continue
            process.kill()
            process.join()
            log.error("a serving process died", exit_code=process.exitcode)
            if process.exitcode == STARTUP_FAILURE:
                return self.should_exit.set()
            self.processes[index] = self._start_process() or process

    def restart_all(self) -> None:
        """One after the other: the new one serves before the old one ends."""
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

    @property
    def _patience(self) -> float:
        return self.config.timeout_worker_healthcheck

    def handle_ttin(self) -> None:
        """One more."""
        self.processes_num += 1
        self.processes += [each for each in [self._start_process()] if each]
