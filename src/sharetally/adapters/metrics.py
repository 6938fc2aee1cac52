"""What the flow counts, as Prometheus metrics.

The meter stands beside every step of the journey. A call costs a look in a dictionary and an addition; no
call raises, and none makes a new series without bound: a platform or job that nobody knows is `other`.
With `serve --processes N` every process adds to files of its own in one directory that the parent made, so
a scrape that reaches any one of them is answered for all of them, and for those that have died.
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

from prometheus_client import CollectorRegistry, Counter, Gauge, multiprocess, values

from sharetally.adapters import metrics_processes as processes
from sharetally.adapters import metrics_scrape as scrape
from sharetally.adapters.metrics_labels import MAX_UNLISTED_VALUES, BoundedSeries, BulkHistogram, LabelBound
from sharetally.domain.event import Job
from sharetally.ports import BacklogReport, Broker, DeliveryStore, EventStore, Meter, Queue

_BATCH_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS_BUCKETS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_directory() -> Iterator[Path]:
    """A fresh directory for the meters of several processes: the parent makes it and outlives them all."""
    parent, directory = os.getpid(), Path(mkdtemp(prefix="sharetally-metrics-"))
    try:
        yield directory
    finally:
        if os.getpid() == parent:  # a forked child passes here too, and must leave it to the others
            rmtree(directory, ignore_errors=True)


def open_meter(
    directory: Path | None,
    role: str,
    *,
    platforms: Collection[str] | None = None,
    jobs: Collection[str] = (),
    clock: Callable[[], float] = monotonic,
) -> PrometheusMeter:
    """The meter of this process; with a directory it is one of several. Each process opens its own.

    `platforms` are the names that may become labels, None: the first 50 that come. `jobs` are those of
    foreign consumers.
    """
    if directory is not None:
        os.environ[_DIRECTORY_VARIABLE] = str(directory)  # where the library's values look for it
        # The library chooses once, at its first import, and a plug-in may have imported it before us.
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        # A dead process may have had our number: what it left would be our own start.
        multiprocess.mark_process_dead(os.getpid(), str(directory))  # type: ignore[no-untyped-call]
        processes.register_process(directory, role)
    return PrometheusMeter(directory=directory, role=role, platforms=platforms, jobs=jobs, clock=clock)


class PrometheusMeter(Meter):
    """One per process, used on the event loop's thread; `open_meter` makes it."""

    def __init__(
        self,
        *,
        directory: Path | None,
        role: str,
        platforms: Collection[str] | None,
        jobs: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._role = role
        self._registry = CollectorRegistry()
        self._backlog_probe = scrape.BacklogProbe(clock=clock)
        self._drift_gauges: tuple[Gauge, Gauge] | None = None
        platform = LabelBound(unlisted_values=MAX_UNLISTED_VALUES) if platforms is None else LabelBound(platforms)
        job = LabelBound({*Job, *jobs})
        self._make_share_series(platform)
        self._make_job_series(job)
        self._live = self._gauge("live_subscribers", "Clients that follow live counts.", "livesum")
        for name in platforms or ():
            # a series that first appears with its first share hides that share from rate()
            self._shares[name, "track_only", "success"].inc(0)

    def _make_share_series(self, platform: LabelBound) -> None:
        self._shares = BoundedSeries(
            self._counter("shares_total", "Results of answered share requests.", "platform", "mode", "status"),
            platform,
            LabelBound(unlisted_values=MAX_UNLISTED_VALUES),
            LabelBound(unlisted_values=MAX_UNLISTED_VALUES),
        )
        self._errors = BoundedSeries(
            self._counter("share_errors_total", "Share requests refused or failed.", "platform", "reason"),
            platform,
            LabelBound(unlisted_values=MAX_UNLISTED_VALUES),
        )
        self._batches = self._histogram("commit_batch_size", "Commands in one commit.", _BATCH_SIZE_BUCKETS)

    def _make_job_series(self, job: LabelBound) -> None:
        self._jobs = BoundedSeries(
            self._counter("jobs_total", "Jobs handled.", "job", "outcome"),
            job,
            LabelBound(unlisted_values=MAX_UNLISTED_VALUES),
        )
        self._reaction_errors = BoundedSeries(
            self._counter("reaction_errors_total", "Reactions that failed and were switched off.", "reaction"),
            LabelBound(unlisted_values=MAX_UNLISTED_VALUES),
        )
        seconds = self._histogram("job_seconds", "Seconds a job took, its share of a batch.", _SECONDS_BUCKETS, "job")
        self._job_seconds = BoundedSeries(seconds, job)
        attempts = self._histogram("delivery_seconds", "Seconds an attempt to deliver took.", _SECONDS_BUCKETS, "kind")
        self._delivery_seconds = BoundedSeries(attempts, LabelBound(unlisted_values=MAX_UNLISTED_VALUES))
        steps = self._histogram("db_seconds", "Seconds in the database for one step.", _SECONDS_BUCKETS, "statement")
        self._statements = BoundedSeries(steps, LabelBound(unlisted_values=MAX_UNLISTED_VALUES))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sharetally_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> BulkHistogram:
        return BulkHistogram(f"sharetally_{name}", text, labels, registry=self._registry, buckets=buckets)

    def shares(self, platform: str, mode: str, status: str, count: int = 1) -> None:
        """Answered share requests, by platform, mode and resulting status."""
        self._shares[platform, mode, status].inc(count)

    def share_error(self, platform: str, reason: str) -> None:
        """A share request that was refused or failed; an empty platform is shown as `none`."""
        self._errors[platform, reason].inc()

    def batch(self, size: int) -> None:
        """Commands in one commit."""
        self._batches.observe(size)

    def statement(self, name: str, seconds: float) -> None:
        """Time in the database for one step."""
        self._statements[(name,)].observe_many(seconds, 1)

    def job(self, job: str, outcome: str, seconds: float, count: int = 1) -> None:
        """Jobs handled; 0 seconds say that nobody measured, and are not in the histogram."""
        self._jobs[job, outcome].inc(count)
        if seconds > 0:
            self._job_seconds[(job,)].observe_many(seconds, count)

    def reaction_error(self, reaction: str) -> None:
        """A reaction that failed and was switched off."""
        self._reaction_errors[(reaction,)].inc()

    def delivery(self, kind: str, seconds: float) -> None:
        """One attempt to deliver something outside."""
        self._delivery_seconds[(kind,)].observe_many(seconds, 1)

    def live(self, clients: int) -> None:
        """Clients that follow counts just now."""
        self._live.set(clients)

    def drift(self, value: int, at: datetime) -> None:
        """What `verify` found, and when; absent until somebody looked."""
        drift, checked_at = self._drift_gauges or self._make_drift_series()
        drift.set(value)
        checked_at.set(at.timestamp())

    def _make_drift_series(self) -> tuple[Gauge, Gauge]:
        self._drift_gauges = (
            self._gauge("drift", "Shares by which counts and ledger differ; 0 is right."),
            self._gauge("drift_checked_timestamp_seconds", "When the drift was last looked for."),
        )
        return self._drift_gauges

    def _gauge(self, name: str, text: str, mode: Literal["mostrecent", "livesum"] = "mostrecent") -> Gauge:
        return Gauge(f"sharetally_{name}", text, registry=self._registry, multiprocess_mode=mode)

    async def waiting(
        self, events: EventStore, broker: Broker, queues: Sequence[Queue], deliveries: DeliveryStore | None = None
    ) -> BacklogReport:
        """What waits, seen within the last second, however many ask."""
        return await self._backlog_probe.measure(events, broker, queues, deliveries)

    async def exposition(
        self, events: EventStore, broker: Broker, queues: Sequence[Queue], deliveries: DeliveryStore | None = None
    ) -> tuple[bytes, str]:
        """Everything in Prometheus' text format, and its media type; what cannot be had is left out."""
        waiting = await self._backlog_probe.measure(events, broker, queues, deliveries)
        source = self._registry if self._directory is None else scrape.SharedFiles(self._directory)
        return await asyncio.to_thread(self._render, source, waiting), scrape.MEDIA_TYPE

    def _render(self, source: scrape.Source, waiting: BacklogReport) -> bytes:
        live_processes = (
            processes.live_processes(self._directory) if self._directory else processes.this_process(self._role)
        )
        return scrape.render(source, waiting, live_processes)
