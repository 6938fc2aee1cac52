"""A process whose clock is off: Debian's libfaketime, loaded into that process alone, when it is started next.

Only the time of day is off; what measures how long something takes goes right, as on a machine whose clock was set
wrong.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.oracle.process import Role
from tests.services.server import Unavailable, install


def _library() -> str:
    for again in (False, True):
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if found:
            return str(found[0])
        if not again:
            install("faketime")
    raise Unavailable("Debian's faketime brought no libfaketime")


def set_clock(role: Role, off: str | None) -> None:
    """`+1d`, `-1d`; None: right again. From the next start on."""
    library = None if off is None else _library()
    role.set_environment(LD_PRELOAD=library, FAKETIME=off, FAKETIME_DONT_FAKE_MONOTONIC=off and "1")


def clock_offset(role: Role) -> timedelta:
    """How far from now the last line of its log believes to be."""
    lines = [line for line in role.log.read_text(errors="replace").splitlines() if line.startswith('{"time":')]
    return datetime.fromisoformat(json.loads(lines[-1])["time"]) - datetime.now(UTC)
