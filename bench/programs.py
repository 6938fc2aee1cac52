"""The external load generators: found, or installed on Debian if the user is root."""

from __future__ import annotations

import asyncio
import os
import shutil

from tests.services.postgresql import DEBIAN
from tests.services.server import Unavailable, install

PACKAGES = {"wrk": "wrk", "pgbench": "postgresql-contrib"}


class LoadFailed(Exception):
    """A load generator failed, or an answer was an unexpected error."""


def find_program(name: str) -> str:
    """The path of the program; installed if necessary and possible, otherwise Unavailable says what to do."""
    there = _path(name)
    if there is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install(PACKAGES[name])
        there = _path(name)
    if there is None:
        raise Unavailable(f"{name} is needed: install it first (on Debian: apt-get install {PACKAGES[name]})")
    return there


def _path(name: str) -> str | None:
    hidden = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, hidden)))


async def run_program(name: str, *arguments: str) -> str:
    """Run one of them to its end and return its output."""
    process = await asyncio.create_subprocess_exec(
        find_program(name), *arguments, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise LoadFailed(f"{name}: {out.decode(errors='replace').strip()[-500:]}")
    return out.decode()
