"""Memory and CPU time of all processes of this service, measured during a scrape.

Every process creates a file in the shared directory that is named after its role, process id and start time. The start
time distinguishes it from another process that later gets the same id. Ended processes are left out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_SUFFIX = ".process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A living process; `cpu_seconds` is the CPU time that it has used."""

    role: str
    pid: int
    started: str
    resident_bytes: int
    cpu_seconds: float


def register_process(directory: Path, role: str) -> None:
    """Register this process in the directory; a repeated call does nothing."""
    for process in this_process(role):
        (directory / f"{role}_{process.pid}_{process.started}{_SUFFIX}").touch()


def this_process(role: str) -> list[Process]:
    """Measure this process only."""
    process = _measure(role, os.getpid())
    return [process] if process else []


def live_processes(directory: Path) -> list[Process]:
    """Measure the registered processes that are still alive."""
    living = []
    for file in sorted(directory.glob(f"*{_SUFFIX}")):
        role, pid, started = file.name.removesuffix(_SUFFIX).rsplit("_", 2)
        process = _measure(role, int(pid))
        if process and process.started == started:
            living.append(process)
    return living


def _measure(role: str, pid: int) -> Process | None:
    try:
        process, booted = psutil.Process(pid), psutil.boot_time()
        with process.oneshot():
            if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return None
            times = process.cpu_times()
            return Process(
                role=role,
                pid=pid,
                # relative to the boot, because the wall clock may be set while processes live
                started=f"{process.create_time() - booted:.2f}",
                resident_bytes=process.memory_info().rss,
                cpu_seconds=times.user + times.system,
            )
    except psutil.Error:
        return None  # it has ended in the meantime
