"""The tutorial is executed: its commands run against a real service and must print what it says.

Blocks that begin with `sh run` are run in order and share one shell's variables. A block `json answer` or
`text answer` after one is what it must print, with `…` for anything. Counts follow after moments, so commands that
only read are repeated until the output matches.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.answers import agrees
from tests.docs.pages import DOCS, Block, blocks
from tests.oracle.system import System, Topology, open_system

pytestmark = pytest.mark.anyio

TUTORIAL = DOCS / "tutorial.md"
RUNBOOK = DOCS / "runbook.md"
TIMEOUT = 20.0


async def test_the_tutorial(tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    async with open_system(Topology(settings={}), tmp_path) as system:
        found = blocks(TUTORIAL)
        steps = [(block, after) for block, after in pairwise([*found, found[0]]) if block.info == "sh run"]
        assert len(steps) > 10
        for block, after in steps:
            await _done(system, tmp_path, block, after if after.info.endswith(" answer") else None)
        await _erased(system, tmp_path)


async def _done(system: System, folder: Path, block: Block, answer: Block | None) -> None:
    deadline = time.monotonic() + TIMEOUT
    only_reads = "-X" not in block.text
    while True:
        result = await _typed(system, folder, block.text)
        if answer is None or agrees(answer, result):
            return
        assert only_reads, f"{answer}: the service says {result}"
        assert time.monotonic() < deadline, f"{answer}: the service still says {result}"
        await asyncio.sleep(0.1)


async def _typed(system: System, folder: Path, text: str) -> str:
    """Run it as the reader would, with the variables of the blocks before."""
    text = text.replace(".venv/bin/sharetally", f"{sys.executable} -m sharetally")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{system.port}")
    script = f"set -eua\ntouch known\n. ./known\n{text}\nexport -p > known\n"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script, cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, f"{text}\n{err.decode()}"
    return out.decode()


async def _erased(system: System, folder: Path) -> None:
    """The runbook's statements forget the tutorial's user, and no count changes."""
    (block,) = [block for block in blocks(RUNBOOK) if block.info == "sql"]
    database = sqlite3.connect(folder / ".sharetally" / "sharetally.db", timeout=10)
    try:
        database.executescript(f"BEGIN IMMEDIATE;\n{block.text}\nCOMMIT;")
        tables = ("share_audit", "share_records", "share_links", "events")
        assert not any(
            database.execute(f"SELECT count(*) FROM {table} WHERE user_id = 'alice'").fetchone()[0] for table in tables
        )
    finally:
        database.close()
    assert (await system.cli("verify")).out.startswith("1 content item, drift 0")
