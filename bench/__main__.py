"""`python -m bench`: accepted shares over HTTP against pgbench running the same transaction, in turn.

Two rows: with the counting pipeline idle, and with RabbitMQ, a relay and a worker counting everything at the
same time. Everything is on this machine: absolute numbers say little, ratios of neighbours in one run say
more. `--full` measures five pairs instead of three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import uvloop

from bench.rows import Row
from bench.tools import Missing, check, pgbench, wrk
from tests.oracle.system import Shape, System, open_system
from tests.services import fresh_amqp, fresh_postgresql

USERS = 5_000
CLIENTS = 64
SETTINGS = {"LOG_LEVEL": "warning", "JWT_SECRET": "known to the benchmark alone, and long enough"}


async def measured(pairs: int, seconds: int) -> list[Row]:
    """Both rows."""
    with fresh_postgresql() as ours, fresh_postgresql() as theirs, fresh_amqp() as amqp, _folder() as name:
        folder = Path(name)
        await _warm(theirs, folder)
        best = await _best_clients(theirs)
        idle = Row(name="accepted, pipeline idle", unit="requests/s", reference="pgbench best", target=1.0)
        counting = Row(name="accepted and counted", unit="requests/s", reference="pgbench best", target=0.7)
        await _measure(
            idle,
            Shape(database=ours, broker=amqp, processes=2, settings=SETTINGS),
            folder,
            theirs,
            best,
            pairs,
            seconds,
        )
        shape = Shape(database=ours, broker=amqp, processes=2, workers=1, relays=1, settings=SETTINGS)
        await _measure(counting, shape, folder, theirs, best, pairs, seconds)
        return [idle, counting]


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sharetally-bench-")


async def _warm(database: str, folder: Path) -> None:
    """Give the reference the same schema."""
    async with open_system(Shape(database=database, settings=SETTINGS), folder):
        pass
    await pgbench(database, clients=8, seconds=3)


async def _best_clients(database: str) -> int:
    found = {clients: await pgbench(database, clients=clients, seconds=4) for clients in (8, 16, 32, 64)}
    best = max(found, key=lambda clients: found[clients])
    print(f"pgbench by clients: {', '.join(f'{c}: {tps:,.0f}' for c, tps in found.items())}", file=sys.stderr)
    return best


async def _measure(row: Row, shape: Shape, folder: Path, reference: str, best: int, pairs: int, seconds: int) -> None:
    place = folder / row.name.replace(" ", "-").replace(",", "")
    place.mkdir()
    async with open_system(shape, place) as system:
        tokens = _tokens(system, place)
        await wrk(system.port, tokens, clients=CLIENTS, seconds=5)
        before = await _batches(system)
        await row.pairs(
            pairs,
            lambda: _accepted(row, system, tokens, seconds),
            lambda: pgbench(reference, clients=best, seconds=seconds),
        )
        commits, wishes = (after - earlier for after, earlier in zip(await _batches(system), before, strict=True))
        row.notes.append(f"mean batch {wishes / max(1, commits):.1f} wishes at {CLIENTS} clients")
        if shape.workers:
            row.notes.append(await _counted(shape, system))


async def _accepted(row: Row, system: System, tokens: Path, seconds: int) -> float:
    rate = await wrk(system.port, tokens, clients=CLIENTS, seconds=seconds)
    if system.workers:
        row.notes.append(f"pending at the end of a round: {await _pending(system):,}")
    return rate


def _tokens(system: System, folder: Path) -> Path:
    make = system.token("shares")
    path = folder / "tokens"
    path.write_text("\n".join(make(f"bench-{number}") for number in range(USERS)))
    return path


async def _batches(system: System) -> tuple[float, float]:
    """How many commits there were, and how many wishes were in them."""
    text = await _metrics(system)
    return _number(text, "sharetally_commit_batch_size_count"), _number(text, "sharetally_commit_batch_size_sum")


async def _metrics(system: System) -> str:
    from tests.oracle.client import Client

    client = Client(system.port, patience=10.0)
    try:
        return (await client.ask("GET", "/metrics")).body.decode()
    finally:
        client.close()


def _number(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? ([\d.e+]+)$", text, re.MULTILINE))


async def _pending(system: System) -> int:
    connection = await asyncpg.connect(system.shape.database)
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM events")
        return found
    finally:
        await connection.close()


async def _counted(shape: Shape, system: System) -> str:
    """Wait until all is counted, and prove it."""
    began = time.monotonic()
    while await _pending(system):
        assert time.monotonic() - began < 120, "not counted within two minutes"
        await asyncio.sleep(0.2)
    said = await system.cli("verify", "--json")
    assert said.code == 0, said
    return f"all counted {time.monotonic() - began:.1f} s after the last round; verify: {said.out.strip()}"


def main() -> None:
    """Print the table; write JSON beside it where asked."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="five pairs instead of three")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of each measurement")
    parser.add_argument("--json", type=Path, help="write everything here")
    chosen = parser.parse_args()
    try:
        check()
    except Missing as error:
        sys.exit(f"bench: {error}")
    rows = uvloop.run(measured(5 if chosen.full else 3, chosen.seconds))
    print("| row | median | ratio (spread) | target |\n|---|---|---|---|")
    for row in rows:
        print(row.as_markdown())
    for row in rows:
        print(f"\n{row.name}: " + "; ".join(row.notes))
    if chosen.json:
        chosen.json.write_text(json.dumps([row.as_json() for row in rows], indent=2))


if __name__ == "__main__":
    main()
