"""pgbench running the very transaction of an accepted share, straight at the database: no HTTP, no checks."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.filling import postgresql as filling
from bench.programs import LoadFailed, said
from bench.stage import Stage

SHARE = Path(__file__).parent / "share.sql"
FILLED = 100_000  # records that are there before
CLIENTS = (8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A database of its own, and how many clients it does best with."""

    database: str
    clients: int

    async def rate(self, seconds: int) -> float:
        """Transactions a second."""
        return await pgbench(self.database, clients=self.clients, seconds=seconds)


async def limit(stage: Stage) -> Limit:
    """Filled, warm, and with the number of clients that was best; found once a run."""
    database = stage.kept("pgbench", lambda stack: _database(stage, stack))
    clients = stage.kept("pgbench clients", lambda _: list[int]())
    if not clients:
        await pgbench(database, clients=8, seconds=2)
        clients.append(await _best(database))
    return Limit(database=database, clients=clients[0])


def _database(stage: Stage, stack: ExitStack) -> str:
    database = stack.enter_context(stage.migrated())
    filling.fill(database, records=FILLED)
    return database


async def _best(database: str) -> int:
    found = {clients: await pgbench(database, clients=clients, seconds=2) for clients in CLIENTS}
    print(f"  pgbench by clients: {', '.join(f'{c}: {tps:,.0f}' for c, tps in found.items())}", file=sys.stderr)
    return max(found, key=lambda clients: found[clients])


async def pgbench(database: str, *, clients: int, seconds: int, more: Sequence[str] = ()) -> float:
    """Transactions a second of `share.sql`; one that fails, fails."""
    out = await said(
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds),
        "-f", str(SHARE), *more, database,
    )  # fmt: skip
    match = re.search(r"tps = ([\d.]+)", out)
    failed = re.search(r"number of failed transactions: (\d+)", out)
    if match is None or (failed and int(failed[1])):
        raise LoadFailed(f"pgbench: {out.strip()[-300:]}")
    return float(match[1])
