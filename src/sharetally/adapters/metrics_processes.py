"""Memory and CPU of the processes that belong together, read from /proc when somebody asks.

Every process that counts puts its name into the shared directory: role, process id and the moment it was
started, so that a stranger who got the id of a dead one is not taken for it. Who is dead leaves the list.
Where there is no /proc the list is empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_SUFFIX = ".process"
_DEAD = frozenset("ZXx")  # ended, and not yet collected by the parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A living process: resident memory in bytes, CPU time used in seconds."""

    role: str
    pid: int
    started: str
    resident_bytes: int
    cpu_seconds: float


def enlist(directory: Path, role: str) -> None:
    """Put this process on the list; repeating is fine."""
    for process in this(role):
        (directory / f"{role}_{process.pid}_{process.started}{_SUFFIX}").touch()


def this(role: str) -> list[Process]:
    """This process alone."""
    found = _measured(role, os.getpid())
    return [found] if found else []


def alive(directory: Path) -> list[Process]:
    """Those on the list that live."""
    found = (_listed(file.name.removesuffix(_SUFFIX)) for file in sorted(directory.glob(f"*{_SUFFIX}")))
    return [process for process in found if process]


def _listed(name: str) -> Process | None:
    role, pid, started = name.rsplit("_", 2)
    process = _measured(role, int(pid))
    return process if process and process.started == started else None


def _measured(role: str, pid: int) -> Process | None:
    try:
        line = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # proc(5): the second field is a name in brackets that may hold anything, so count from its end
    fields = line.rpartition(")")[2].split()
    if fields[0] in _DEAD:
        return None
    return Process(
        role=role,
        pid=pid,
        started=fields[19],
        resident_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )
