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

_PIPE_BUFFER_BYTES = 4096  # bytes: what a pipe that is ready takes without blocking (PIPE_BUF, pipe(7))


class StandardError:
    """Whatever `sys.stderr` is at the time; `render_lost` makes the line that says how many lines are missing."""

    def __init__(self, *, render_lost: Callable[[int], bytes], write_timeout: float = 1.0) -> None:
        self._render_lost = render_lost
        self._write_timeout = write_timeout
        self._lost_lines = 0
        self._partial_line = False
        self._lock = RLock()  # writing may run a finalizer, which may log

    def write(self, line: bytes) -> None:
        """Write a whole line, or count it as lost; raises nothing."""
        with self._lock:
            try:
                self._write(line)
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._lost_lines += 1

    def _write(self, line: bytes) -> None:
        stream = sys.stderr
        if stream is None:  # no such stream was there at the start
            return
        descriptor = _descriptor(stream)
        if descriptor is None:
            stream.write(line.decode("utf-8", "backslashreplace"))
        else:
            self._write_bytes(descriptor, self._prefix() + line)
        self._lost_lines, self._partial_line = 0, False

    def _prefix(self) -> bytes:
        return (b"\n" if self._partial_line else b"") + (
            self._render_lost(self._lost_lines) if self._lost_lines else b""
        )

    def _write_bytes(self, descriptor: int, data: bytes) -> None:
        # Not through the text layer: what that cannot write it keeps, and fails once more at the very end.
        remaining = memoryview(data)
        while remaining:
            _wait_until_writable(descriptor, 0.0 if self._lost_lines else self._write_timeout)
            written = os.write(descriptor, remaining[:_PIPE_BUFFER_BYTES])
            remaining = remaining[written:]
            self._partial_line = bool(remaining)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except OSError:  # a stream in memory has none
        return None


def _wait_until_writable(descriptor: int, seconds: float) -> None:
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(seconds * 1000):
        raise BlockingIOError("nobody reads standard error")
