"""Lines to standard error that never break the service.

A line waits at most a second for a reader that is slow. After that lines are dropped, without waiting,
until there is room again; then one line says how many were lost. A stream that is closed, a pipe whose
reader is gone, a full disk: the line is lost and nobody is told, as there is nowhere to tell it.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from threading import RLock
from typing import TextIO

_AT_ONCE = 4096  # bytes: what a pipe that is ready takes without blocking (PIPE_BUF, pipe(7))


class StandardError:
    """Whatever `sys.stderr` is at the time; `lost` makes the line that says how many lines are missing."""

    def __init__(self, *, lost: Callable[[int], bytes], patience: float = 1.0) -> None:
        self._told = lost
        self._patience = patience
        self._lost = 0
        self._torn = False
        self._lock = RLock()  # writing may run a finalizer, which may log

    def write(self, line: bytes) -> None:
        """Write a whole line, or count it as lost; raises nothing."""
        with self._lock:
            try:
                self._write(line)
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._lost += 1

    def _write(self, line: bytes) -> None:
        stream = sys.stderr
        if stream is None:  # no such stream was there at the start
            return
        descriptor = _descriptor(stream)
        if descriptor is None:
            stream.write(line.decode("utf-8", "backslashreplace"))
        else:
            self._send(descriptor, self._before() + line)
        self._lost, self._torn = 0, False

    def _before(self) -> bytes:
        return (b"\n" if self._torn else b"") + (self._told(self._lost) if self._lost else b"")

    def _send(self, descriptor: int, data: bytes) -> None:
        # Not through the text layer: what that cannot write it keeps, and fails once more at the very end.
        rest = memoryview(data)
        while rest:
            _wait_for_room(descriptor, 0.0 if self._lost else self._patience)
            written = os.write(descriptor, rest[:_AT_ONCE])
            rest = rest[written:]
            self._torn = bool(rest)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except OSError:  # a stream in memory has none
        return None


def _wait_for_room(descriptor: int, seconds: float) -> None:
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(seconds * 1000):
        raise BlockingIOError("nobody reads standard error")
