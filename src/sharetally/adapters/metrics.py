"""The Prometheus metrics of what the service does.

Every step of the journey reports to the meter. A call costs a dictionary look-up and an addition, and never raises. The
number of series is bounded: a platform or job that nobody listed is counted as `other` once there are too many.
With `serve --processes N` each process adds to its own files in a directory that the parent created. A scrape of any
process is therefore answered for all of them, including those that have ended.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import monotonic
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values
from prometheus_client.metrics import MetricWrapperBase

from sharetally.adapters import metrics_processes as processes
from sharetally.adapters import metrics_scrape as scrape
from sharetally.domain.event import Job
from sharetally.ports import BacklogReport, Broker, DeliveryStore, EventStore, Meter, Queue

_BATCH_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
OTHER = "other"
NONE = "none"
_MAX_UNLISTED_VALUES = 50  # of one label
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
C = TypeVar("C", bound=MetricWrapperBase)


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


class PrometheusMeter(Meter):
    """The meter of one process, used only on the thread of the event loop; `open_meter` creates it."""

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
        self._live = self._gauge("live_subscribers", "Clients that follow live counts.", "livesum")
        platform = LabelBound(platforms)
        self._shares = BoundedSeries(
            self._counter("shares_total", "Results of answered share requests.", "platform", "mode", "status"),
            platform,
            LabelBound(),
            LabelBound(),
        )
        for name in platforms or ():
            # rate() ignores the first value of a series, so without this it would miss the first share
            self._shares[name, "track_only", "success"].inc(0)
        self._errors = BoundedSeries(
            self._counter("share_errors_total", "Share requests that were refused or failed.", "platform", "reason"),
            platform,
            LabelBound(),
        )
        self._batches = self._histogram("commit_batch_size", "Commands per commit.", _BATCH_SIZE_BUCKETS)
        job = LabelBound({*Job, *jobs})
        self._jobs = BoundedSeries(self._counter("jobs_total", "Processed jobs.", "job", "outcome"), job, LabelBound())
        self._job_seconds = BoundedSeries(
            self._histogram("job_seconds", "Seconds per job: its share of its batch.", _SECONDS_BUCKETS, "job"), job
        )
        self._delivery_seconds = BoundedSeries(
            self._histogram("delivery_seconds", "Seconds per attempt to deliver.", _SECONDS_BUCKETS, "kind"),
            LabelBound(),
        )
        self._statements = BoundedSeries(
            self._histogram("db_seconds", "Seconds in the database per step.", _SECONDS_BUCKETS, "statement"),
            LabelBound(),
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sharetally_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> BulkHistogram:
        return BulkHistogram(f"sharetally_{name}", text, labels, registry=self._registry, buckets=buckets)

    def shares(self, platform: str, mode: str, status: str, count: int = 1) -> None:
        """Count answered share requests by platform, mode and resulting status."""
        self._shares[platform, mode, status].inc(count)

    def share_error(self, platform: str, reason: str) -> None:
        """Count a share request that was refused or failed; an empty platform is reported as `none`."""
        self._errors[platform, reason].inc()

    def batch(self, size: int) -> None:
        """Record the number of commands in one commit."""
        self._batches.observe(size)

    def statement(self, name: str, seconds: float) -> None:
        """Record the seconds that one step took in the database."""
        self._statements[(name,)].observe_many(seconds, 1)

    def job(self, job: str, outcome: str, seconds: float, count: int = 1) -> None:
        """Count processed jobs; 0 seconds means that the time is unknown and is not recorded."""
        self._jobs[job, outcome].inc(count)
        if seconds > 0:
            self._job_seconds[(job,)].observe_many(seconds, count)

    def delivery(self, kind: str, seconds: float) -> None:
        """Record the seconds that one attempt to deliver took."""
        self._delivery_seconds[(kind,)].observe_many(seconds, 1)

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
        self, events: EventStore, broker: Broker, queues: Sequence[Queue], deliveries: DeliveryStore | None = None
    ) -> BacklogReport:
        """The backlog, measured at most one second ago, however often this is called."""
        return await self._backlog_probe.measure(events, broker, queues, deliveries)

    async def exposition(
        self, events: EventStore, broker: Broker, queues: Sequence[Queue], deliveries: DeliveryStore | None = None
    ) -> tuple[bytes, str]:
        """All metrics in the text format of Prometheus, and its media type; what cannot be measured is left out."""
        waiting = await self._backlog_probe.measure(events, broker, queues, deliveries)

        def render_all() -> bytes:
            if (directory := self._directory) is None:
                return scrape.render(self._registry, waiting, processes.this_process(self._role))
            return scrape.render(scrape.SharedFiles(directory), waiting, processes.live_processes(directory))

        return await asyncio.to_thread(render_all), scrape.MEDIA_TYPE


# series: quick to find by their labels, and bounded in number


class LabelBound:
    """The values that one label may have: those in `known`, or if it is None the first 50 that occur."""

    def __init__(self, known: Iterable[str] | None = None) -> None:
        self._known = set(known or ())
        self._unlisted_values_left = _MAX_UNLISTED_VALUES if known is None else 0

    def fold(self, label: str) -> str:
        """Return the label itself, `none` if it is empty, or `other` if it is unknown and there are too many."""
        if label in self._known:
            return label
        if not label:
            return NONE
        if self._unlisted_values_left == 0:
            return OTHER
        self._unlisted_values_left -= 1
        self._known.add(label)
        return label


class BoundedSeries(dict[tuple[str, ...], C]):
    """Labels -> the series to add to; what is folded into `other` is not stored, as its names are unbounded."""

    def __init__(self, metric: C, *bounds: LabelBound) -> None:
        super().__init__()
        self._metric = metric
        self._bounds = bounds

    def __missing__(self, labels: tuple[str, ...]) -> C:
        folded = tuple(bound.fold(label) for bound, label in zip(self._bounds, labels, strict=True))
        child = self._metric.labels(*folded)
        if folded == labels or OTHER not in folded:
            self[labels] = child
        return child


class BulkHistogram(Histogram):
    """A histogram that records many equal values at once."""

    def observe_many(self, value: float, number: int) -> None:
        """Record the value `number` times."""
        self._sum.inc(value * number)
        self._buckets[bisect_left(self._upper_bounds, value)].inc(number)
