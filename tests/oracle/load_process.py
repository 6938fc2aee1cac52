"""One process of a distributed load: its own clients, users, content items and journal; it gets its order as JSON.

It ends when its standard input is closed, at the latest after its time, and writes what it was promised to a file.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from collections.abc import Hashable
from pathlib import Path

import uvloop

from tests.oracle.load import Load
from tests.oracle.load_order import LoadOrder, LoadReport
from tests.oracle.shared_bounds import SharedBounds
from tests.oracle.system import System, Topology
from tests.oracle.tally import Journal
from tests.oracle.world import HOT, PARTS, Contents


def is_shared_key(key: Hashable) -> bool:
    """The hot content, and each of its platforms."""
    return HOT in (key, key[0] if isinstance(key, tuple) else None)


async def run_order(order: LoadOrder) -> LoadReport:
    """Run the load, and return what was promised."""
    bounds = SharedBounds(is_shared_key)
    system = System(Topology(settings={"JWT_SECRET": order.secret}), Path(order.folder), ports=order.ports)
    load = Load(
        system,
        clients=order.clients,
        seed=order.seed,
        first=order.first,
        rate=order.rate,
        contents=Contents(part=order.part, parts=PARTS),
        bounds=bounds,
    )
    _end_with_stdin(load)
    with Journal(order.journal) as journal:
        await load.run(order.seconds, journal)
    return LoadReport(expected=load.expected, tally=load.tally, notes=dict(bounds.notes))


def _end_with_stdin(load: Load) -> None:
    """Return when the process that started this one closes its input or is killed."""
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def end() -> None:
        loop.remove_reader(stdin)
        load.end()

    loop.add_reader(stdin, end)


def main() -> None:
    """Obey the order on the command line."""
    order = LoadOrder(**json.loads(sys.argv[1]))
    report = uvloop.run(run_order(order))
    order.report.write_bytes(pickle.dumps(report))


if __name__ == "__main__":
    main()
