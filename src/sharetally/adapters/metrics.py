"""The Prometheus metrics of one process, and how several processes share theirs.

`metrics_flow` contains what the flow reports; this adds what the service measures beside it, and the answer to a
scrape. With `serve --processes N` each process adds to its own files in a directory that the parent created, so a
scrape of any process is answered for all of them, including those that have ended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import monotonic
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge, multiprocess, values

from sharetally.adapters import metrics_processes as processes
from sharetally.adapters import metrics_scrape as scrape
from sharetally.adapters.metrics_flow import FlowMeter
from sharetally.ports import BacklogReport, Broker, DeliveryStore, EventStore, Queue

_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_directory() -> Iterator[Path]:
    """A new directory for the meters of several processes; the parent creates it and removes it at the end."""
    parent, directory = os.getpid(), Path(mkdtemp(prefix="sharetally-metrics-"))
    try:
        yield directory
    finally:
        if os.getpid() == parent:  # a forked child reaches this too, and must not remove it
            rmtree(directory, ignore_errors=True)


def open_meter(
    directory: Path | None,
    role: str,
    *,
    platforms: Collection[str] | None = None,
    jobs: Collection[str] = (),
    clock: Callable[[], float] = monotonic,
) -> PrometheusMeter:
    """Open the meter of this process; with a directory, it is one of several processes that each open their own.

    `platforms` are the names allowed as labels; None allows the first 50 that occur. `jobs` are the names of the jobs
    of external consumers.
    """
    if directory is not None:
        os.environ[_DIRECTORY_VARIABLE] = str(directory)  # where the library looks for the directory
        # The library decides this once when it is first imported, and a plug-in may have imported it already.
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        # An ended process may have had the same id; without this, our gauges would start with its values.
        multiprocess.mark_process_dead(os.getpid(), str(directory))  # type: ignore[no-untyped-call]
        processes.register_process(directory, role)
    return PrometheusMeter(directory=directory, role=role, platforms=platforms, jobs=jobs, clock=clock)


class PrometheusMeter(FlowMeter):
    """The meter of one process; `open_meter` creates it."""

    def __init__(
        self,
        *,
        directory: Path | None,
        role: str,
        platforms: Collection[str] | None,
        jobs: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(CollectorRegistry(), platforms=platforms, jobs=jobs)
        self._directory = directory
        self._role = role
        self._backlog_probe = scrape.BacklogProbe(clock=clock)
        self._drift_gauges: tuple[Gauge, Gauge] | None = None
        self._live = self._gauge("live_subscribers", "Clients that follow live counts.", "livesum")

    def live(self, clients: int) -> None:
        """Set the number of clients that follow live counts."""
        self._live.set(clients)

    def drift(self, value: int, at: datetime) -> None:
        """Set what the latest verification run found, and when; until the first run both series are absent."""
        if self._drift_gauges is None:
            self._drift_gauges = (
                self._gauge("drift", "Shares by which counts and ledger differ; 0 is right."),
                self._gauge("drift_checked_timestamp_seconds", "When the drift was last checked."),
            )
        drift, checked_at = self._drift_gauges
        drift.set(value)
        checked_at.set(at.timestamp())

    def _gauge(self, name: str, text: str, mode: Literal["mostrecent", "livesum"] = "mostrecent") -> Gauge:
        return Gauge(f"sharetally_{name}", text, registry=self._registry, multiprocess_mode=mode)

    async def waiting(
        self,
        events: EventStore,
        broker: Broker,
        queues: Sequence[Queue],
        deliveries: DeliveryStore | None = None,
        read_spending: scrape.ReadSpending | None = None,
    ) -> BacklogReport:
        """The backlog, measured at most one second ago, however often this is called."""
        return await self._backlog_probe.measure(events, broker, queues, deliveries, read_spending)

    async def exposition(
        self,
        events: EventStore,
        broker: Broker,
        queues: Sequence[Queue],
        deliveries: DeliveryStore | None = None,
        read_spending: scrape.ReadSpending | None = None,
    ) -> tuple[bytes, str]:
        """All metrics in the text format of Prometheus, and its media type; what cannot be measured is left out."""
        waiting = await self.waiting(events, broker, queues, deliveries, read_spending)

        def render_all() -> bytes:
            if (directory := self._directory) is None:
                return scrape.render(self._registry, waiting, processes.this_process(self._role))
            return scrape.render(scrape.SharedFiles(directory), waiting, processes.live_processes(directory))

        return await asyncio.to_thread(render_all), scrape.MEDIA_TYPE
