"""pgbench running the very transaction of an accepted share, straight at the database: no HTTP, no checks."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.filling import postgresql as filling
from bench.harness import BenchHarness
from bench.programs import LoadFailed, run_program

SHARE = Path(__file__).parent / "share.sql"
FILLED = 100_000  # records that are there before
CLIENTS = ((8, 1), (16, 1), (32, 1), (64, 1), (32, 2), (64, 2))  # with so many threads


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A database of its own, and how many clients it does best with."""

    database: str
    clients: int
    threads: int

    async def rate(self, seconds: int) -> float:
        """Transactions a second."""
        return await pgbench(self.database, clients=self.clients, threads=self.threads, seconds=seconds)


async def limit(harness: BenchHarness) -> Limit:
    """Filled, warm, and with the number of clients that was best; found once a run."""
    database = harness.cached("pgbench", lambda stack: _database(harness, stack))
    best = harness.cached("pgbench's best", lambda _: list[tuple[int, int]]())
    if not best:
        await pgbench(database, clients=8, seconds=2)
        best.append(await _best(database))
    clients, threads = best[0]
    return Limit(database=database, clients=clients, threads=threads)


def _database(harness: BenchHarness, stack: ExitStack) -> str:
    database = stack.enter_context(harness.migrated())
    filling.fill(database, records=FILLED)
    return database


async def _best(database: str) -> tuple[int, int]:
    found = {
        (clients, threads): await pgbench(database, clients=clients, threads=threads, seconds=2)
        for clients, threads in CLIENTS
    }
    told = (f"{clients} on {threads}: {tps:,.0f}" for (clients, threads), tps in found.items())
    print(f"  pgbench by clients and threads: {', '.join(told)}", file=sys.stderr)
    return max(found, key=lambda each: found[each])


async def pgbench(database: str, *, clients: int, seconds: int, threads: int = 1, more: Sequence[str] = ()) -> float:
    """Transactions a second of `share.sql`; one that fails, fails."""
    out = await run_program(
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(threads), "-T", str(seconds),
        "-f", str(SHARE), *more, database,
    )  # fmt: skip
    if "actually processed: 0" in out:
        return 0.0  # not a single transaction in all that time: there is no rate
    match = re.search(r"tps = ([\d.]+)", out)
    failed = re.search(r"number of failed transactions: (\d+)", out)
    if match is None or (failed and int(failed[1])):
        raise LoadFailed(f"pgbench: {out.strip()[-300:]}")
    return float(match[1])
