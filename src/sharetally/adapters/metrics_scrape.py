"""The answer to one scrape: what the processes counted, and what must be measured at that moment.

The database knows the pending events and the broker knows the depth of its queues, so a scrape asks them: at most once
a second, however many scrapes arrive, and for at most one second. Without an answer their series are absent, never old
or zero, and the other metrics are answered all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as MEDIA_TYPE
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from sharetally import __version__
from sharetally.adapters import metrics_processes as processes
from sharetally.adapters.metrics_processes import Process
from sharetally.domain.spending import DOLLAR, PlatformSpending
from sharetally.ports import BacklogReport, Broker, DeliveryStore, EventStore, Queue

__all__ = ["MEDIA_TYPE", "BacklogProbe", "ReadSpending", "SharedFiles", "Source", "render"]
MAX_AGE_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 1.0
log = structlog.get_logger("sharetally.metrics")
T = TypeVar("T")
ReadSpending: TypeAlias = Callable[[], Awaitable[Sequence[PlatformSpending]]]


class Source(Protocol):
    """A source of counted metrics."""

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        ...


class SharedFiles:
    """What all processes counted, including ended ones: the sum over the files in their directory.

    Gauges of the present, the library's `live` modes, are read from living processes only, because a process that was
    killed cannot reset them.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Merge the files; a file that its process is still creating is empty and skipped."""
        live_processes = {str(process.pid) for process in processes.live_processes(self._directory)}
        files = []
        for file in sorted(self._directory.glob("*.db")):
            kind, _, pid = file.stem.rpartition("_")  # like `gauge_livesum_4711`
            # the set is empty if this system does not tell which processes live
            is_read = not live_processes or not kind.startswith("gauge_live") or pid in live_processes
            if is_read and file.stat().st_size:
                files.append(str(file))
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


class BacklogProbe:
    """Measures the backlog in the database and the broker, once for all simultaneous scrapes."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._latest = BacklogReport()
        self._fresh_until = float("-inf")

    async def measure(
        self,
        events: EventStore,
        broker: Broker,
        queues: Sequence[Queue],
        deliveries: DeliveryStore | None,
        read_spending: ReadSpending | None,
    ) -> BacklogReport:
        """The backlog, measured at most one second ago."""
        async with self._lock:
            if self._clock() >= self._fresh_until:
                states_of_queues = asyncio.gather(*(_with_timeout(broker.state(queue.name)) for queue in queues))
                backlog, states = await asyncio.gather(_with_timeout(events.backlog()), states_of_queues)
                self._latest = BacklogReport(
                    backlog=backlog,
                    deliveries=await _with_timeout(deliveries.backlog()) if deliveries is not None else None,
                    spending=(await _with_timeout(read_spending()) or ()) if read_spending is not None else (),
                    depths={queue.name: state.depth for queue, state in zip(queues, states, strict=True) if state},
                )
                self._fresh_until = self._clock() + MAX_AGE_SECONDS
            return self._latest


async def _with_timeout(measurement: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            return await measurement
    except Exception as error:  # a scrape is answered whatever happens in the database and the broker
        log.debug("not measured", reason=str(error) or type(error).__name__)
        return None


class _FixedCollector(Collector):
    """The argument that `generate_latest` requires."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def render(source: Source, waiting: BacklogReport, live_processes: Iterable[Process]) -> bytes:
    """Return all metrics as text, ordered by name."""
    build_info = GaugeMetricFamily("sharetally_build_info", "The running version; always 1.", labels=("version",))
    build_info.add_metric((__version__,), 1)
    families = [*source.collect(), *_backlog_metrics(waiting), *_process_metrics(live_processes), build_info]
    for family in families:
        # the files of several processes contain no `_created`, and both modes must look the same
        family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return generate_latest(_FixedCollector(sorted(families, key=lambda family: family.name)))


def _backlog_metrics(waiting: BacklogReport) -> Iterator[Metric]:
    if (backlog := waiting.backlog) is not None:
        yield _gauge("events_pending", "Events that are neither counted nor parked.", backlog.pending)
        yield _gauge("event_oldest_seconds", "Age of the oldest pending event.", backlog.oldest)
        yield _gauge("events_parked", "Events that were parked with a reason.", backlog.parked)
    if waiting.deliveries is not None:
        names = ("kind", "state")
        numbers = GaugeMetricFamily("sharetally_deliveries", "Deliveries that are not finished.", labels=names)
        for kind, state, number in waiting.deliveries.counts:
            numbers.add_metric((kind, state.value), number)
        text = "Seconds since the oldest waiting delivery became due."
        oldest = GaugeMetricFamily("sharetally_delivery_oldest_due_seconds", text, labels=("kind",))
        for kind, seconds in waiting.deliveries.oldest_due.items():
            oldest.add_metric((kind,), seconds)
        yield from (family for family in (numbers, oldest) if family.samples)
    if waiting.spending:
        text = "What may be spent on posts each day, in dollars."
        budgets = GaugeMetricFamily("sharetally_post_budget_dollars", text, labels=("platform",))
        text = "What was spent or reserved for posts today (UTC), in dollars."
        spending = GaugeMetricFamily("sharetally_post_spending_dollars", text, labels=("platform",))
        for each in waiting.spending:
            budgets.add_metric((each.platform,), each.budget.total / DOLLAR)
            spending.add_metric((each.platform,), each.day.spent / DOLLAR)
        yield from (budgets, spending)
    if waiting.depths:
        family = GaugeMetricFamily("sharetally_queue_depth", "Messages that are ready in a queue.", labels=("queue",))
        for queue, depth in waiting.depths.items():
            family.add_metric((queue,), depth)
        yield family


def _process_metrics(live_processes: Iterable[Process]) -> Iterator[Metric]:
    names = ("role", "pid")
    memory = GaugeMetricFamily("process_resident_memory_bytes", "Resident memory size in bytes.", labels=names)
    cpu = CounterMetricFamily("process_cpu_seconds_total", "Total user and system CPU time in seconds.", labels=names)
    for process in live_processes:
        labels = (process.role, str(process.pid))
        memory.add_metric(labels, process.resident_bytes)
        cpu.add_metric(labels, process.cpu_seconds)
    yield from (family for family in (memory, cpu) if family.samples)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"sharetally_{name}", text, value=value)
