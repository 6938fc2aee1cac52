"""Memory and CPU of the processes that belong together, measured when somebody asks.

Every process that counts puts its name into the shared directory: role, process id and the moment it was started, so
that another process that later gets the id of a dead one is not taken for it. Dead processes leave the list.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_SUFFIX = ".process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A living process: resident memory in bytes, CPU time used in seconds."""

    role: str
    pid: int
    started: str
    resident_bytes: int
    cpu_seconds: float


def register_process(directory: Path, role: str) -> None:
    """Put this process on the list; repeating is fine."""
    for process in this_process(role):
        (directory / f"{role}_{process.pid}_{process.started}{_SUFFIX}").touch()


def this_process(role: str) -> list[Process]:
    """This process alone."""
    process = _measure(role, os.getpid())
    return [process] if process else []


def live_processes(directory: Path) -> list[Process]:
    """Those on the list that live."""
    processes = (_process_of(file.name.removesuffix(_SUFFIX)) for file in sorted(directory.glob(f"*{_SUFFIX}")))
    return [process for process in processes if process]


def _process_of(name: str) -> Process | None:
    role, pid, started = name.rsplit("_", 2)
    process = _measure(role, int(pid))
    return process if process and process.started == started else None


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
                # since the machine started: its wall clock may be set while processes live
                started=f"{process.create_time() - booted:.2f}",
                resident_bytes=process.memory_info().rss,
                cpu_seconds=times.user + times.system,
            )
    except psutil.Error:
        return None  # it has ended meanwhile
