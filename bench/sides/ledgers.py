"""Ledgers of a given size on each database, and what a share costs on them.

Sharetally runs as it is installed: one process, its broker in memory, everything counted inside. The cost of a
share is the time from the first request until all are counted, by the number of shares.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bench.filling import mariadb, postgresql, sqlite
from bench.harness import SETTINGS, BenchHarness
from bench.load.tokens import VIDEOS, write_tokens
from bench.load.wrk import wrk
from bench.sides.side import PLATFORMS, TIMEOUT
from tests.oracle.system import System, Topology
from tests.oracle.tables import open_tables

MICROSECONDS = 1_000_000


@contextmanager
def open_ledger(harness: BenchHarness, kind: str, records: int) -> Iterator[str]:
    """The URL of a migrated database with so many counted records."""
    fill: Callable[[str], None]
    match kind:
        case "postgresql":
            database, fill = harness.postgresql_database(), lambda url: postgresql.fill(url, records=records)
        case "mariadb":
            database, fill = harness.mariadb_database(), lambda url: mariadb.fill(url, records=records)
        case _:
            database, fill = _file(harness), lambda url: sqlite.fill(_path(url), records=records)
    with database as url:
        harness.migrate(url)
        fill(url)
        yield url


@contextmanager
def _file(harness: BenchHarness) -> Iterator[str]:
    folder = harness.folder("sqlite")
    yield f"sqlite:///{folder}/sharetally.db"
    for path in folder.iterdir():
        path.unlink()  # gigabytes, and the next one comes


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@asynccontextmanager
async def one_process(harness: BenchHarness, database: str) -> AsyncIterator[System]:
    """Sharetally in one process on this database."""
    async with harness.sharetally(Topology(database=database, settings=SETTINGS)) as system:
        yield system


async def request_cost(harness: BenchHarness, system: System, seconds: int) -> float:
    """Microseconds a share, accepted and counted."""
    tokens = write_tokens(harness.folder("tokens"))
    began = time.monotonic()
    load = await wrk(system.port, "share", str(tokens), str(VIDEOS), seconds=seconds)
    async with open_tables(system.database) as tables:
        while (await tables.rows("SELECT count(*) FROM events"))[0][0]:
            assert time.monotonic() - began < seconds + TIMEOUT, "not counted in time"
            await asyncio.sleep(0.05)
    return (time.monotonic() - began) / (load.answers * PLATFORMS) * MICROSECONDS
