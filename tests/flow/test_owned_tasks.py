"""Tasks that run as long as a process: an unexpected exception does not end them.

Libraries raise classes that they do not document, especially while a connection is closing. Each task here meets such
a fault once, reports it, and does its work the next time; otherwise the fault would end the whole process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.clock import DatabaseClock
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.event import Event
from sharetally.domain.proof import VerificationResult
from sharetally.flow import live, relay
from sharetally.flow.committer import Committer
from sharetally.flow.hooks import Hooks
from sharetally.flow.live import Live
from sharetally.flow.publisher import Publisher
from sharetally.flow.relay import Relay
from sharetally.flow.verification import VerificationRunner
from sharetally.ports import Broker, Channel, CountStore, ProofStore, VerificationRunStore
from sharetally.settings import load
from sharetally.web.auth.api_keys import ApiKeyCache
from sharetally.wiring import Core
from tests.contracts.database_rows import open_empty_database
from tests.flow.harness import QUEUES, TIMEOUT, VIDEO, RecordingMeter, run_in_background, run_workers, wait_until
from tests.flow.running_committer import share
from tests.flow.test_publisher import Gate, events
from tests.flow.worker_harness import WorkerHarness, make_event_refs, publish_refs

pytestmark = pytest.mark.anyio


class Once:
    """Fails the first time that it is called, with a class that no code names; then it does what `then` does."""

    def __init__(self, then: Callable[..., Any]) -> None:
        self.calls = 0
        self._then = then

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise Exception("a library's own")
        return self._then(*arguments, **named)

    async def was_called(self, times: int) -> bool:
        return self.calls >= times


@pytest.fixture
def reported() -> Any:
    with capture_logs() as logs:
        yield logs


def failures(reported: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in reported if line.get("exc_info")]


async def test_the_publisher_continues_after_a_failure(reported: list[Any]) -> None:
    gate = Gate()
    gate.opened.set()
    gate.publish = Once(gate.publish)  # type: ignore[method-assign]
    publisher = Publisher(cast(Broker, gate))
    async with run_in_background(publisher.run()):
        publisher.take(events(1))
        await publisher.drain(TIMEOUT)
        publisher.take(later := events(1))
        await publisher.drain(TIMEOUT)
    assert gate.jobs() == [str(later[0].id)]
    assert failures(reported) == ["publish_failed"]
    assert publisher._size == 0


async def test_the_relay_continues_after_a_failure(reported: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    has_unburned = Once(_nobody_waits)
    monkeypatch.setattr(relay, "PURGE_EVERY", 10**9)
    event_store = cast(Any, SimpleNamespace(has_unburned_older_than=has_unburned))
    purged = cast(Any, SimpleNamespace(purge=_nothing))
    broker = cast(Any, SimpleNamespace(volatile=False, connected=True))
    async with run_in_background(
        Relay(events=event_store, responses=purged, sessions=purged, broker=broker, queues=QUEUES, every=0.01).run()
    ):
        await wait_until(lambda: has_unburned.was_called(2))
    assert failures(reported) == ["relay_failed"]


async def _nobody_waits(_: float) -> bool:
    return False


async def _nothing(*_: Any, **__: Any) -> int:
    return 0


async def test_a_worker_continues_after_its_broker_fails(reported: list[Any]) -> None:
    broker, office = MemoryBroker(), WorkerHarness()
    await broker.open(QUEUES)
    broker.subscribe = Once(broker.subscribe)  # type: ignore[method-assign]
    await publish_refs(broker, *(some := make_event_refs(3)))
    async with run_workers(office.worker(broker)):
        await wait_until(lambda: office.recorder.has_done(3))
    assert office.recorder.done == some
    assert failures(reported) == ["worker_failed"]


async def test_a_worker_that_cannot_park_an_event_continues(reported: list[Any]) -> None:
    broker, office = MemoryBroker(), WorkerHarness()
    await broker.open(QUEUES)
    good, bad = make_event_refs(2)
    office.recorder.poison[bad] = ValueError("no job")
    office.recorder.park = Once(office.recorder.park)  # type: ignore[method-assign]
    await publish_refs(broker, bad, good)

    async def parked() -> bool:
        return [job for job, _ in office.recorder.parked] == [bad] and good in office.recorder.done

    async with run_workers(office.worker(broker)):
        await wait_until(parked)
    assert failures(reported) == ["worker_failed"]


async def test_the_committer_continues_after_a_failure(tmp_path: Path, reported: list[Any]) -> None:
    published = list[Event]()
    async with open_empty_database(f"sqlite:///{tmp_path}/sharetally.db") as db:
        committer = Committer(
            ledger=db,
            clock=DatabaseClock(),
            hooks=Hooks((), seconds=TIMEOUT),
            meter=RecordingMeter(),
            on_committed=Once(published.extend),
        )
        async with run_in_background(committer.run()):
            await committer.submit(share("anna"))
            await committer.submit(share("bert"))
    assert len(published) == 1
    assert failures(reported) == ["commit_failed"]


async def test_live_counts_go_on(reported: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.01)

    async def stored(contents: Sequence[ContentRef]) -> list[Count]:
        return []

    reading = SimpleNamespace(stored=Once(stored))
    made = Live(
        channel=cast(Channel, SimpleNamespace()),
        queries=cast(Any, None),
        counts=cast(CountStore, reading),
        clock=DatabaseClock(),
        max_clients=1,
        on_client_count=lambda _: None,
    )
    made._keep(VIDEO, asyncio.get_running_loop().time())
    made.on_changed([VIDEO])
    async with run_in_background(made.run()):
        await wait_until(lambda: reading.stored.was_called(2))
    assert failures(reported) == ["live_refresh_failed"]


async def test_verification_continues_after_a_failure(reported: list[Any]) -> None:
    async def verify(*_: Any) -> VerificationResult:
        return VerificationResult(content_items=3, drifted=())

    async def note(verdict: VerificationResult, _: float) -> Any:
        return SimpleNamespace(content_items=verdict.content_items)

    proof = SimpleNamespace(verify=Once(verify))
    stored_runs = SimpleNamespace(extend_lease=_held, record=note)
    runs = VerificationRunner(proof=cast(ProofStore, proof), runs=cast(VerificationRunStore, stored_runs))
    async with run_in_background(runs.run()), asyncio.timeout(TIMEOUT):
        with pytest.raises(Exception, match="a library's own"):
            await runs.verify()
        assert (await runs.verify()).run.content_items == 3
    assert failures(reported) == ["verification_failed"]


async def _held(*_: Any, **__: Any) -> bool:
    return True


async def test_recording_the_use_of_keys_continues_after_a_failure(reported: list[Any]) -> None:
    noted = list[Iterable[Any]]()

    async def record_use(used: Iterable[Any], *, at_most_every: float) -> None:
        noted.append(used)

    store = SimpleNamespace(record_use=Once(record_use))
    keys = ApiKeyCache(cast(Any, store))
    async with run_in_background(keys.run()):
        for times in (1, 2):
            keys._used.add(cast(Any, f"key-{times}"))
            keys._use_noted.set()
            await wait_until(lambda: store.record_use.was_called(times))  # noqa: B023
    assert noted == [{"key-2"}]
    assert failures(reported) == ["key_use_not_noted"]


async def test_the_clock_continues_after_a_failure(
    tmp_path: Path, reported: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharetally.wiring.CLOCK_SYNC_SECONDS", 0.01)
    core = Core(load({"DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}, cwd=tmp_path), role="worker")
    measured = Once(_nothing)
    core.clock = cast(Any, SimpleNamespace(measure=measured))
    async with run_in_background(core._sync_clock()):
        await wait_until(lambda: measured.was_called(2))
    assert failures(reported) == ["clock_failed"]
