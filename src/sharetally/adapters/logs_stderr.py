"""Writing log lines to standard error without ever blocking or breaking the service.

A line waits at most one second for a slow reader. After that, lines are dropped without waiting until the reader has
caught up, and then one line reports how many were lost. If the stream is closed, its reader is gone or the disk is
full, the line is lost silently, because there is nowhere left to report it.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from threading import RLock

_PIPE_BUFFER_BYTES = 4096  # a pipe that is ready accepts this much without blocking (PIPE_BUF, pipe(7))


class StandardError:
    """Writes to the current `sys.stderr`; `render_lost` renders the line that reports how many lines were lost."""

    def __init__(self, *, render_lost: Callable[[int], bytes], write_timeout: float = 1.0) -> None:
        self._render_lost = render_lost
        self._write_timeout = write_timeout
        self._lost_lines = 0
        self._partial_line = False
        self._lock = RLock()  # writing may run a finalizer, which may log

    def write(self, line: bytes) -> None:
        """Write a whole line, or count it as lost; never raises."""
        with self._lock:
            stream = sys.stderr
            if stream is None:  # the process was started without one
                return
            try:
                try:
                    descriptor = stream.fileno()
                except OSError:  # a stream in memory has no descriptor
                    stream.write(line.decode("utf-8", "backslashreplace"))
                else:
                    line_end = b"\n" if self._partial_line else b""
                    loss_report = self._render_lost(self._lost_lines) if self._lost_lines else b""
                    self._write_bytes(descriptor, line_end + loss_report + line)
                self._lost_lines, self._partial_line = 0, False
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._lost_lines += 1

    def _write_bytes(self, descriptor: int, data: bytes) -> None:
        # Not through Python's text layer: it keeps what it cannot write, and fails again when the process ends.
        remaining = memoryview(data)
        while remaining:
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                if not poll.poll(0 if self._lost_lines else self._write_timeout * 1000):
                    raise BlockingIOError("the reader of standard error is too slow")
            written = os.write(descriptor, remaining[:_PIPE_BUFFER_BYTES])
            remaining = remaining[written:]
            self._partial_line = bool(remaining)
