"""Metrics: the names of the contract, bounded labels, and sums that are right over several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import psutil
import pytest
from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from sharetally.adapters import metrics_scrape
from sharetally.adapters.metrics import PrometheusMeter, open_meter, shared_directory
from sharetally.adapters.metrics_processes import live_processes, register_process
from sharetally.domain.delivery import DeliveryState
from sharetally.ports import Backlog, DeliveryBacklog, DeliveryCount
from tests.adapters.fakes import SPENDING, FakeBroker, FakeDeliveries, FakeEventStore, FakeSpending, scrape

pytestmark = pytest.mark.anyio

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class ManualTime:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def meter(time: ManualTime) -> PrometheusMeter:
    return open_meter(None, "worker", platforms=["twitter", "whatsapp"], jobs=["foreign_job"], clock=time)


def read(text: str) -> Series:
    """Every series of an exposition."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float | None:
    return read(text).get((name, frozenset(labels.items())))


def names(text: str) -> set[str]:
    return {name for name, _ in read(text)}


async def test_every_metric_has_the_name_and_the_labels_of_the_contract(meter: PrometheusMeter) -> None:
    meter.shares("twitter", "track_only", "success")
    meter.share_error("twitter", "forbidden")
    meter.job("share_created", "counted", 0.01)
    meter.reaction_error("feed")
    meter.batch(1)
    meter.statement("lock", 0.001)
    meter.drift(0, datetime(2026, 11, 20, tzinfo=UTC))
    events = FakeEventStore(Backlog(pending=1, parked=1, oldest=1.0))
    text = await scrape(meter, events, FakeBroker(count=1))
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(family.name, set()).update(set(sample.labels) - {"le"})
    assert labels == {
        "sharetally_shares": {"platform", "mode", "status"},  # the parser takes `_total` away
        "sharetally_share_errors": {"platform", "reason"},
        "sharetally_events_pending": set(),
        "sharetally_event_oldest_seconds": set(),
        "sharetally_events_parked": set(),
        "sharetally_queue_depth": {"queue"},
        "sharetally_jobs": {"job", "outcome"},
        "sharetally_job_seconds": {"job"},
        "sharetally_reaction_errors": {"reaction"},
        "sharetally_commit_batch_size": set(),
        "sharetally_db_seconds": {"statement"},
        "sharetally_live_subscribers": set(),
        "sharetally_drift": set(),
        "sharetally_drift_checked_timestamp_seconds": set(),
        "sharetally_build_info": {"version"},
        "process_resident_memory_bytes": {"role", "pid"},
        "process_cpu_seconds": {"role", "pid"},
    }
    assert "sharetally_shares_total{" in text
    assert not any(name.endswith("_created") for name in names(text))


async def test_counted_shares_and_errors_are_exposed(meter: PrometheusMeter) -> None:
    meter.shares("twitter", "track_only", "success")
    meter.shares("twitter", "track_only", "success", 4)
    meter.share_error("whatsapp", "forbidden")
    text = await scrape(meter)
    assert value(text, "sharetally_shares_total", platform="twitter", mode="track_only", status="success") == 5
    assert value(text, "sharetally_share_errors_total", platform="whatsapp", reason="forbidden") == 1


async def test_series_of_allowed_platforms_start_at_zero(meter: PrometheusMeter) -> None:
    text = await scrape(meter)
    assert value(text, "sharetally_shares_total", platform="whatsapp", mode="track_only", status="success") == 0


async def test_many_equal_jobs_are_many_observations(meter: PrometheusMeter) -> None:
    meter.job("share_created", "counted", 0.25, 3)
    meter.job("share_created", "counted", 20.0)
    text = await scrape(meter)
    assert value(text, "sharetally_jobs_total", job="share_created", outcome="counted") == 4
    assert value(text, "sharetally_job_seconds_count", job="share_created") == 4
    assert value(text, "sharetally_job_seconds_sum", job="share_created") == 20.75
    assert value(text, "sharetally_job_seconds_bucket", job="share_created", le="0.1") == 0
    assert value(text, "sharetally_job_seconds_bucket", job="share_created", le="0.25") == 3
    assert value(text, "sharetally_job_seconds_bucket", job="share_created", le="10.0") == 3
    assert value(text, "sharetally_job_seconds_bucket", job="share_created", le="+Inf") == 4


async def test_an_untimed_job_is_counted_without_a_duration(meter: PrometheusMeter) -> None:
    meter.job("share_created", "rejected", 0.0)
    text = await scrape(meter)
    assert value(text, "sharetally_jobs_total", job="share_created", outcome="rejected") == 1
    assert value(text, "sharetally_job_seconds_count", job="share_created") is None


# labels have a bound


async def test_a_platform_that_is_not_allowed_is_labelled_other(meter: PrometheusMeter) -> None:
    for number in range(1000):
        meter.shares(f"junk{number}", "track_only", "success")
    text = await scrape(meter)
    platforms = {dict(labels)["platform"] for name, labels in read(text) if name == "sharetally_shares_total"}
    assert platforms == {"twitter", "whatsapp", "other"}
    assert value(text, "sharetally_shares_total", platform="other", mode="track_only", status="success") == 1000


async def test_only_malformed_job_names_are_labelled_other(meter: PrometheusMeter) -> None:
    meter.job("../../etc/passwd", "rejected", 0.0)
    meter.job("foreign_job", "done", 0.0)
    text = await scrape(meter)
    assert value(text, "sharetally_jobs_total", job="other", outcome="rejected") == 1
    assert value(text, "sharetally_jobs_total", job="foreign_job", outcome="done") == 1


async def test_an_open_label_takes_at_most_fifty_values(meter: PrometheusMeter) -> None:
    for number in range(80):
        meter.statement(f"step{number}", 0.1)
    text = await scrape(meter)
    seen = [dict(labels)["statement"] for name, labels in read(text) if name == "sharetally_db_seconds_count"]
    assert sorted(seen) == sorted([*(f"step{number}" for number in range(50)), "other"])
    assert value(text, "sharetally_db_seconds_count", statement="other") == 30


async def test_a_missing_platform_is_labelled_none(meter: PrometheusMeter) -> None:
    meter.share_error("", "unsupported-platforms")
    meter.share_error("", "unsupported-platforms")
    text = await scrape(meter)
    assert value(text, "sharetally_share_errors_total", platform="none", reason="unsupported-platforms") == 2


# what has to be requested


async def test_backlog_series_come_from_database_and_broker(meter: PrometheusMeter) -> None:
    events = FakeEventStore(Backlog(pending=7, parked=2, oldest=3.5))
    text = await scrape(meter, events, FakeBroker(count=11, post=0))
    assert value(text, "sharetally_events_pending") == 7
    assert value(text, "sharetally_events_parked") == 2
    assert value(text, "sharetally_event_oldest_seconds") == 3.5
    assert value(text, "sharetally_queue_depth", queue="count") == 11
    assert value(text, "sharetally_queue_depth", queue="post") == 0


async def test_without_a_database_only_its_series_are_absent(meter: PrometheusMeter) -> None:
    meter.batch(3)
    text = await scrape(meter, FakeEventStore(None), FakeBroker(count=11))
    assert not names(text) & {
        "sharetally_events_pending",
        "sharetally_event_oldest_seconds",
        "sharetally_events_parked",
    }
    assert value(text, "sharetally_queue_depth", queue="count") == 11
    assert value(text, "sharetally_commit_batch_size_count") == 1


async def test_a_queue_of_unknown_depth_is_absent(meter: PrometheusMeter) -> None:
    events = FakeEventStore(Backlog(pending=7, parked=2, oldest=3.5))
    text = await scrape(meter, events, FakeBroker(count=None, post=-1, feed=4))
    depths = {dict(labels)["queue"] for name, labels in read(text) if name == "sharetally_queue_depth"}
    assert depths == {"feed"}
    assert value(text, "sharetally_events_pending") == 7


async def test_a_hanging_database_delays_a_scrape_only_until_the_timeout(
    meter: PrometheusMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_scrape, "PROBE_TIMEOUT_SECONDS", 0.01)
    with anyio.fail_after(5):
        text = await scrape(meter, FakeEventStore(hangs=True), FakeBroker(count=1))
    assert "sharetally_events_pending" not in names(text)
    assert value(text, "sharetally_queue_depth", queue="count") == 1


async def test_the_database_is_queried_at_most_once_a_second(meter: PrometheusMeter, time: ManualTime) -> None:
    events = FakeEventStore(Backlog(pending=1, parked=0, oldest=0.0))
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(scrape, meter, events)
    assert events.asked == 1
    time.seconds += 0.9
    await scrape(meter, events)
    assert events.asked == 1
    time.seconds += 0.2
    events.now = Backlog(pending=2, parked=0, oldest=0.0)
    assert value(await scrape(meter, events), "sharetally_events_pending") == 2


async def test_backlog_series_disappear_when_the_database_is_unavailable(
    meter: PrometheusMeter, time: ManualTime
) -> None:
    events = FakeEventStore(Backlog(pending=1, parked=0, oldest=0.0))
    await scrape(meter, events)
    time.seconds += 1.1
    events.now = None
    assert "sharetally_events_pending" not in names(await scrape(meter, events))


async def test_drift_is_absent_before_the_first_verification(meter: PrometheusMeter) -> None:
    assert "sharetally_drift" not in names(await scrape(meter))
    meter.drift(0, datetime(2026, 11, 20, 12, tzinfo=UTC))
    meter.drift(3, datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC))
    text = await scrape(meter)
    assert value(text, "sharetally_drift") == 3
    assert value(text, "sharetally_drift_checked_timestamp_seconds") == 1795176030


async def test_process_metrics_are_exported(meter: PrometheusMeter) -> None:
    text = await scrape(meter)
    me = {"role": "worker", "pid": str(os.getpid())}
    memory = value(text, "process_resident_memory_bytes", **me)
    cpu = value(text, "process_cpu_seconds_total", **me)
    assert memory is not None
    assert 1_000_000 < memory < 10_000_000_000
    assert cpu is not None
    assert 0 < cpu <= sum(os.times()[:2]) + 0.02  # a tick


# several processes


class MeterProcess:
    """A process with a meter of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = str(process.pid)

    def tell(self, method: str, *told: object) -> str:
        assert self._process.stdin
        self._process.stdin.write(json.dumps([method, *told]) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        assert self._process.stdout
        said: str = json.loads(self._process.stdout.readline())
        return said

    def kill(self) -> None:
        self._process.kill()

    def rejected(self) -> None:
        self._process.wait()


Start = Callable[[str], MeterProcess]


@contextmanager
def start_meter_process(directory: Path, role: str) -> Iterator[MeterProcess]:
    command = [sys.executable, "-m", "tests.adapters.meter_process", str(directory), role]
    root = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    with subprocess.Popen(
        command, cwd=root, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            counter = MeterProcess(process)
            assert counter.answer() == "ready"
            yield counter
        finally:
            process.kill()


@pytest.fixture
def directory() -> Iterator[Path]:
    with shared_directory() as made:
        yield made


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    with ExitStack() as running:
        yield lambda role: running.enter_context(start_meter_process(directory, role))


def test_a_process_stays_on_the_list_when_the_clock_of_its_host_is_set(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_process(directory, "api")
    started = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: started + 3600)
    assert [process.pid for process in live_processes(directory)] == [os.getpid()]


def test_a_scrape_of_one_process_covers_all_processes(start: Start) -> None:
    one, two, three = start("api"), start("api"), start("api")
    one.tell("shares", "twitter", "track_only", "success", 3)
    two.tell("shares", "twitter", "track_only", "success", 4)
    two.tell("shares", "junk", "track_only", "success")
    one.tell("batch", 2)
    two.tell("batch", 500)
    one.tell("job", "share_created", "counted", 0.5)
    two.tell("job", "share_created", "counted", 0.25, 2)
    for asked in (one, three):
        text = asked.tell("scrape")
        shared = {"mode": "track_only", "status": "success"}
        assert value(text, "sharetally_shares_total", platform="twitter", **shared) == 7
        assert value(text, "sharetally_shares_total", platform="other", **shared) == 1
        assert value(text, "sharetally_commit_batch_size_count") == 2
        assert value(text, "sharetally_commit_batch_size_sum") == 502
        assert value(text, "sharetally_commit_batch_size_bucket", le="2.0") == 1
        assert value(text, "sharetally_jobs_total", job="share_created", outcome="counted") == 3
        assert value(text, "sharetally_job_seconds_sum", job="share_created") == 1
        pids = {dict(labels)["pid"] for name, labels in read(text) if name == "process_resident_memory_bytes"}
        assert pids == {one.pid, two.pid, three.pid}


def test_counters_of_a_killed_process_stay_and_its_gauges_go(start: Start) -> None:
    one, two = start("api"), start("worker")
    one.tell("shares", "twitter", "track_only", "success", 3)
    two.tell("shares", "twitter", "track_only", "success", 4)
    assert value(two.tell("scrape"), "process_resident_memory_bytes", role="api", pid=one.pid) is not None
    one.kill()
    one.rejected()
    text = two.tell("scrape")
    shared = {"mode": "track_only", "status": "success"}
    assert value(text, "sharetally_shares_total", platform="twitter", **shared) == 7
    assert value(text, "process_resident_memory_bytes", role="api", pid=one.pid) is None
    assert value(text, "process_cpu_seconds_total", role="api", pid=one.pid) is None
    assert value(text, "process_resident_memory_bytes", role="worker", pid=two.pid) is not None


def test_a_new_process_adds_to_the_counters_of_the_dead_one(start: Start) -> None:
    one = start("api")
    one.tell("batch", 1)
    one.kill()
    one.rejected()
    two = start("api")
    two.tell("batch", 1)
    assert value(two.tell("scrape"), "sharetally_commit_batch_size_count") == 2


def test_the_live_clients_of_a_killed_process_are_gone(start: Start) -> None:
    one, two = start("serve"), start("serve")
    one.tell("live", 5000)
    two.tell("live", 3)
    assert value(two.tell("scrape"), "sharetally_live_subscribers") == 5003
    one.kill()
    one.rejected()
    assert value(two.tell("scrape"), "sharetally_live_subscribers") == 3


def test_a_new_process_with_the_number_of_a_dead_one_starts_without_its_live_clients(
    directory: Path, start: Start
) -> None:
    one = start("serve")
    one.tell("live", 5000)
    one.kill()
    one.rejected()
    left = directory / f"gauge_livesum_{one.pid}.db"
    left.rename(directory / f"gauge_livesum_{os.getpid()}.db")
    program = "import os, sys; from pathlib import Path; from sharetally.adapters.metrics import open_meter\n" + (
        "os.getpid = lambda: int(sys.argv[2])\n"
        "open_meter(Path(sys.argv[1]), 'serve')\n"
        "print(sorted(each.name for each in Path(sys.argv[1]).glob('gauge_livesum_*')))\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", program, str(directory), str(os.getpid())],
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        check=True,
    )
    text = start("serve").tell("scrape")
    assert value(text, "sharetally_live_subscribers") == 0


def test_every_gauge_that_processes_add_up_is_one_of_the_living(meter: PrometheusMeter) -> None:
    """`sum`, `min`, `max` and `all` would keep the last value of a process that was killed."""
    gauges = [each for each in meter._registry._collector_to_names if isinstance(each, Gauge)]
    meter.drift(0, datetime.now(UTC))
    modes = {each._name: each._multiprocess_mode for each in gauges}
    assert {mode for mode in modes.values() if mode != "mostrecent"} == {"livesum"}, modes


def test_drift_is_that_of_the_latest_verification(start: Start) -> None:
    one, two = start("verify"), start("api")
    assert "sharetally_drift" not in names(two.tell("scrape"))
    two.tell("drift", 5, "2026-11-20T12:00:00+00:00")
    one.tell("drift", 0, "2026-11-20T12:00:30+00:00")
    text = two.tell("scrape")
    assert value(text, "sharetally_drift") == 0
    assert value(text, "sharetally_drift_checked_timestamp_seconds") == 1795176030


def test_a_reused_process_id_is_not_listed(start: Start, directory: Path) -> None:
    one = start("api")
    (directory / f"api_{os.getpid()}_1.process").touch()  # this process was not started at that moment
    text = one.tell("scrape")
    assert value(text, "process_resident_memory_bytes", role="api", pid=str(os.getpid())) is None


def test_a_half_written_metrics_file_does_not_break_the_scrape(start: Start, directory: Path) -> None:
    one = start("api")
    one.tell("batch", 1)
    (directory / "counter_1.db").touch()
    assert value(one.tell("scrape"), "sharetally_commit_batch_size_count") == 1


def test_the_directory_is_private_and_leaves_with_its_parent() -> None:
    with shared_directory() as made, shared_directory() as other:
        assert made != other
        assert made.stat().st_mode & 0o777 == 0o700
        (made / "counter_1.db").touch()
    assert not made.exists()


def test_a_forked_child_leaves_the_directory_alone() -> None:
    with shared_directory() as made:
        program = "import os, sys; from sharetally.adapters.metrics import shared_directory\n" + (
            "with shared_directory() as made:\n"
            "    if os.fork() == 0:\n"
            "        sys.exit()\n"
            "    os.wait()\n"
            "    print(made.exists())\n"
        )
        root = Path(__file__).parents[2]
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(root / "src"), "TMPDIR": str(made)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == "True\n"
        assert list(made.iterdir()) == []


# deliveries


async def test_deliveries_by_kind_and_state_and_the_oldest_that_is_due() -> None:
    counts = [
        DeliveryCount("post", DeliveryState.WAITING, 7),
        DeliveryCount("post", DeliveryState.DEAD, 2),
    ]
    backlog = DeliveryBacklog(counts=counts, oldest_due={"post": 12.5})
    meter = open_meter(None, "worker")
    meter.delivery("post", 0.2)
    text = await scrape(meter, deliveries=FakeDeliveries(backlog))
    assert 'sharetally_deliveries{kind="post",state="waiting"} 7.0' in text
    assert 'sharetally_deliveries{kind="post",state="dead"} 2.0' in text
    assert 'sharetally_delivery_oldest_due_seconds{kind="post"} 12.5' in text
    assert 'sharetally_delivery_seconds_count{kind="post"} 1.0' in text


async def test_deliveries_of_a_database_that_is_away_are_absent() -> None:
    text = await scrape(open_meter(None, "worker"), deliveries=FakeDeliveries())
    assert "sharetally_deliveries" not in text
    assert "sharetally_delivery_oldest" not in text


async def test_what_posts_have_cost_is_shown_in_dollars() -> None:
    text = await scrape(open_meter(None, "worker"), spending=FakeSpending([SPENDING]))
    assert 'sharetally_post_budget_dollars{platform="twitter"} 20.0' in text
    assert 'sharetally_post_spending_dollars{platform="twitter"} 3.415' in text


@pytest.mark.parametrize("spending", [FakeSpending(None), FakeSpending([]), None], ids=["away", "no budget", "none"])
async def test_spending_that_is_not_known_is_absent(spending: FakeSpending | None) -> None:
    text = await scrape(open_meter(None, "worker"), spending=spending)
    assert "sharetally_post_" not in text
