"""A load from several processes at once, each with its own clients, users, content items and journal.

Their promises are combined at the end: no two processes share rows, and reads of the one content item that all of
them use are checked then, by the times at which things happened (`shared_bounds`).
"""

from __future__ import annotations

import asyncio
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.oracle.load_order import LoadOrder, LoadReport
from tests.oracle.promises import Promises
from tests.oracle.shared_bounds import BoundsLog, contradictions
from tests.oracle.tally import KEPT

LONGEST_START = 1_800.0  # seconds, whatever happens to the process that started it
GRACE = 90.0  # seconds for the last answers


@dataclass(frozen=True, kw_only=True)
class LoadSize:
    """How many processes, how many clients in each, and how many requests per second in all; None means unlimited."""

    processes: int = 2
    clients: int = 12
    rate: float | None = None


class DistributedLoad:
    """Sends its crews; their promises are entered when they have ended."""

    def __init__(self, promises: Promises, *, folder: Path, seed: int) -> None:
        self._promises = promises
        self._folder = folder
        self._seed = seed
        self._loads = 0
        self._clients, self._plots = _Numbers(), _Numbers()
        self._notes: defaultdict[Hashable, BoundsLog] = defaultdict(BoundsLog)

    @asynccontextmanager
    async def load(self, seconds: float, size: LoadSize) -> AsyncIterator[None]:
        """Under load for so long, and for as long as the block lasts."""
        orders = self._orders(size)
        crews = [await _send(order) for order in orders]
        try:
            await asyncio.gather(*map(_begun, orders, crews))
            until = time.monotonic() + seconds
            yield
            await _early_end(crews, until - time.monotonic())
        finally:
            await _end(crews)
        for order, crew in zip(orders, crews, strict=True):
            self._enter(order, crew)
        self._check()

    def stands(self, sums: Mapping[Hashable, int]) -> None:
        """What everybody's keys come to now, whatever earlier loads did: after a restore."""
        moments = {key: [(0.0, amount)] for key, amount in sums.items()}
        self._notes.clear()
        self._notes.update({key: BoundsLog(begun=[*told], settled=[*told]) for key, told in moments.items()})

    def _orders(self, size: LoadSize) -> list[LoadOrder]:
        self._loads += 1
        rate = size.rate / (size.processes * size.clients) if size.rate else None
        return [
            LoadOrder(
                folder=str(self._folder),
                name=f"crew-{self._loads}-{part}",
                ports=self._promises.system.ports,
                secret=self._promises.system.topology.settings["JWT_SECRET"],
                seconds=LONGEST_START,
                clients=size.clients,
                first=self._clients.take(size.clients),
                seed=self._seed,
                part=self._plots.take(1),
                rate=rate,
            )
            for part in range(size.processes)
        ]

    def _enter(self, order: LoadOrder, crew: asyncio.subprocess.Process) -> None:
        assert crew.returncode == 0, f"{order.name} ended with {crew.returncode}: {_last_words(order)}"
        report = pickle.loads(order.report.read_bytes())  # noqa: S301, our own process wrote it
        assert isinstance(report, LoadReport)
        self._promises.join(report.expected, report.tally)
        for key, notes in report.notes.items():
            self._notes[key].join(notes)

    def _check(self) -> None:
        """Reads of shared content items; the writes of earlier loads are settled."""
        tally = self._promises.tally
        for key, notes in self._notes.items():
            found = contradictions(key, notes)
            notes.glances.clear()  # reported once
            tally.faults += len(found)
            tally.unexpected = [*tally.unexpected, *found][:KEPT]


class _Numbers:
    """Numbers that are not in use yet."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, many: int) -> int:
        """The first of so many."""
        first, self._next = self._next, self._next + many
        return first


def _last_words(order: LoadOrder) -> str:
    return order.log.read_text(errors="replace").strip()[-1500:]


async def _begun(order: LoadOrder, crew: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(GRACE):
        while not order.journal.exists():
            assert crew.returncode is None, f"{order.name} did not begin: {_last_words(order)}"
            await asyncio.sleep(0.02)


async def _send(order: LoadOrder) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "tests.oracle.load_process", order.as_json())
    with order.log.open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )


async def _early_end(crews: list[asyncio.subprocess.Process], within: float) -> None:
    """Return after this time, or when a process ends that was not asked to."""
    if within > 0:
        ends = [asyncio.ensure_future(crew.wait()) for crew in crews]
        await asyncio.wait(ends, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _end(crews: list[asyncio.subprocess.Process]) -> None:
    """Tell them to stop; the last answers may take a while."""
    for crew in crews:
        assert crew.stdin is not None
        crew.stdin.close()
    try:
        async with asyncio.timeout(GRACE):
            await asyncio.gather(*(crew.wait() for crew in crews))
    finally:
        for crew in crews:
            if crew.returncode is None:
                crew.kill()
                await crew.wait()
