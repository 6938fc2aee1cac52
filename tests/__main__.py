"""`python -m tests`: all tests, two folders at a time, each in its own pytest process.

Tests mostly wait for other processes: a server that starts, a process that ends, a browser. Two cores therefore run
two folders in little more than half of the time. Each folder prints one line when it is done, and the whole output
of pytest if something failed. With arguments, this is plain pytest.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
AT_ONCE = 2
LONGEST_FIRST = ("web", "contracts", "faults", "browser", "journey", "rules", "console", "openid", "tracing")
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q")


def main() -> None:
    """Exit 1 if anything failed."""
    if sys.argv[1:]:
        sys.exit(asyncio.run(_run(sys.argv[1:]))[0])
    began = time.monotonic()
    failed, outcomes = asyncio.run(_all(places()))
    if failed:
        print(f"failed: {', '.join(failed)}")
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"{told} in {time.monotonic() - began:.2f}s")
    sys.exit(bool(failed))


def places() -> list[tuple[str, Sequence[str]]]:
    """Folders that hold tests, by name, and the files that stand in none; those that take longest come first."""
    single = sorted(str(path) for path in HERE.glob("test_*.py"))
    folders = {path.name: [str(path)] for path in HERE.iterdir() if any(path.rglob("test_*.py"))}
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    ordered = sorted(folders, key=lambda name: (ranks.get(name, len(ranks)), name))
    return [(ordered[0], folders[ordered[0]]), ("commands", single), *((name, folders[name]) for name in ordered[1:])]


async def _all(wanted: Sequence[tuple[str, Sequence[str]]]) -> tuple[list[str], Counter[str]]:
    """Those that failed, and how many tests passed, failed, …"""
    free, failed, outcomes = asyncio.Semaphore(AT_ONCE), list[str](), Counter[str]()

    async def one(name: str, paths: Sequence[str]) -> None:
        async with free:
            code, said = await _run(paths, told=True)
        if code:
            failed.append(name)
            print(said, flush=True)
        summary = said.strip().rpartition("\n")[2].strip("= ")
        outcomes.update({outcome: int(count) for count, outcome in re.findall(r"(\d+) ([a-z]+)(?:,| in )", summary)})
        print(f"{name}: {summary}", flush=True)

    async with asyncio.TaskGroup() as group:
        for name, paths in wanted:
            group.create_task(one(name, paths))
    return failed, outcomes


async def _run(arguments: Sequence[str], *, told: bool = False) -> tuple[int, str]:
    """Return pytest's exit code; `told` collects its output."""
    process = await asyncio.create_subprocess_exec(
        *PYTEST, *arguments, cwd=HERE.parent,
        stdout=asyncio.subprocess.PIPE if told else None, stderr=asyncio.subprocess.STDOUT if told else None,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, (out or b"").decode(errors="replace")


if __name__ == "__main__":
    main()
