"""One answer to a scrape: what the processes counted, and what is only known by asking.

Pending events and queue depths belong to the database and the broker, so they are asked for when somebody
scrapes: at most once a second, however many scrape, and for one second at most. Without an answer
the series are absent, never old or zero, and the rest is answered all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as MEDIA_TYPE
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from sharetally import __version__
from sharetally.adapters import metrics_processes as processes
from sharetally.adapters.metrics_processes import Process
from sharetally.ports import BacklogReport, Broker, DeliveryBacklog, DeliveryStore, EventStore, Queue

__all__ = ["MEDIA_TYPE", "BacklogProbe", "SharedFiles", "Source", "render"]
MAX_AGE_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 1.0
log = structlog.get_logger("sharetally.metrics")
T = TypeVar("T")


class Source(Protocol):
    """Where counted metrics come from."""

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        ...


class SharedFiles:
    """What all processes counted, the dead ones too: the sum over the files in their directory.

    A gauge that says how things stand now, one of the library's `live` modes, is read from living processes only:
    a process that was killed could not set it back.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Merge; a file that its process is just making is empty and says nothing yet."""
        live_processes = {str(process.pid) for process in processes.live_processes(self._directory)}
        files = [
            str(file)
            for file in sorted(self._directory.glob("*.db"))
            if file.stat().st_size and _counts(file.stem, live_processes)
        ]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _counts(file: str, live_processes: Collection[str]) -> bool:
    """Whether to read a file named like `gauge_livesum_4711`; all of them where there is no /proc."""
    kind, _, pid = file.rpartition("_")
    return not live_processes or not kind.startswith("gauge_live") or pid in live_processes


class BacklogProbe:
    """Asks database and broker, for all who scrape at the same time at once."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._latest = BacklogReport()
        self._fresh_until = float("-inf")

    async def measure(
        self, events: EventStore, broker: Broker, queues: Sequence[Queue], deliveries: DeliveryStore | None
    ) -> BacklogReport:
        """What waits, seen within the last second."""
        async with self._lock:
            if self._clock() >= self._fresh_until:
                self._latest = await _measure(events, broker, queues, deliveries)
                self._fresh_until = self._clock() + MAX_AGE_SECONDS
            return self._latest


async def _measure(
    events: EventStore, broker: Broker, queues: Sequence[Queue], deliveries: DeliveryStore | None
) -> BacklogReport:
    states_of_queues = asyncio.gather(*(_with_timeout(broker.state(queue.name)) for queue in queues))
    backlog, states = await asyncio.gather(_with_timeout(events.backlog()), states_of_queues)
    delivering = await _with_timeout(deliveries.backlog()) if deliveries is not None else None
    depths = {queue.name: state.depth for queue, state in zip(queues, states, strict=True) if state}
    return BacklogReport(backlog=backlog, deliveries=delivering, depths=depths)


async def _with_timeout(measurement: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            return await measurement
    except Exception as error:  # a scrape is answered whatever database and broker do
        log.debug("not measured", reason=str(error) or type(error).__name__)
        return None


class _FixedCollector(Collector):
    """What `generate_latest` wants to be given."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def render(source: Source, waiting: BacklogReport, live_processes: Iterable[Process]) -> bytes:
    """The text of it all, in the order of the names."""
    families = [
        *map(_without_created, source.collect()),
        *_backlog_metrics(waiting),
        *_process_metrics(live_processes),
        _build_info(),
    ]
    return generate_latest(_FixedCollector(sorted(families, key=lambda family: family.name)))


def _without_created(family: Metric) -> Metric:
    """Leave out `_created`: the files do not have it, and two modes must not differ."""
    family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return family


def _backlog_metrics(waiting: BacklogReport) -> Iterator[Metric]:
    if (backlog := waiting.backlog) is not None:
        yield _gauge("events_pending", "Events that are neither counted nor parked.", backlog.pending)
        yield _gauge("event_oldest_seconds", "Age of the oldest pending event.", backlog.oldest)
        yield _gauge("events_parked", "Events set aside with a reason.", backlog.parked)
    if waiting.deliveries is not None:
        yield from _deliveries(waiting.deliveries)
    if waiting.depths:
        family = GaugeMetricFamily("sharetally_queue_depth", "Messages ready in a queue.", labels=("queue",))
        for queue, depth in waiting.depths.items():
            family.add_metric((queue,), depth)
        yield family


def _deliveries(backlog: DeliveryBacklog) -> Iterator[Metric]:
    numbers = GaugeMetricFamily("sharetally_deliveries", "Deliveries that are not finished.", labels=("kind", "state"))
    for kind, state, number in backlog.counts:
        numbers.add_metric((kind, state.value), number)
    oldest = GaugeMetricFamily(
        "sharetally_delivery_oldest_due_seconds",
        "For how long the oldest waiting delivery has been due.",
        labels=("kind",),
    )
    for kind, seconds in backlog.oldest_due.items():
        oldest.add_metric((kind,), seconds)
    yield from (family for family in (numbers, oldest) if family.samples)


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


def _build_info() -> Metric:
    family = GaugeMetricFamily("sharetally_build_info", "The version that runs; always 1.", labels=("version",))
    family.add_metric((__version__,), 1)
    return family
