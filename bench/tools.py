"""The two programs that make load from outside: wrk over HTTP, pgbench straight at the database."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

HERE = Path(__file__).parent


class Missing(Exception):
    """A program that the benchmark needs is not installed."""


def check() -> None:
    """Say what has to be installed."""
    missing = [name for name in ("wrk", "pgbench") if shutil.which(name) is None]
    if missing:
        raise Missing(f"install {' and '.join(missing)} first (on Debian: apt-get install wrk postgresql-contrib)")


async def wrk(port: int, tokens: Path, *, clients: int, seconds: int) -> float:
    """Answered requests a second; fails if any answer was an error."""
    said = await _run(
        "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s",
        "-s", str(HERE / "share.lua"), f"http://127.0.0.1:{port}", "--", str(tokens),
    )  # fmt: skip
    if re.search(r"Non-2xx|Socket errors", said):
        raise AssertionError(said)
    return float(_found(r"Requests/sec:\s+([\d.]+)", said))


async def pgbench(database: str, *, clients: int, seconds: int) -> float:
    """Transactions a second of `share.sql`."""
    said = await _run(
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds),
        "-f", str(HERE / "share.sql"), database,
    )  # fmt: skip
    return float(_found(r"tps = ([\d.]+)", said))


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(os.environ), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise AssertionError(out.decode())
    return out.decode()


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]
