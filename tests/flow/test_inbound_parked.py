"""Jobs from outside that were parked: replayed from their rows, or given up; once is once all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import DataRejected
from sharetally.domain.event import Job
from sharetally.flow import parked_events
from sharetally.flow.consumers.external import InboundJob
from sharetally.flow.jobs import to_messages, to_ref
from sharetally.ports import Delivery, EventRef, Message, ParkedEvent
from tests.contracts.database_rows import (
    DATABASES,
    database_url_for,
    execute_sql,
    insert_shares,
    open_empty_database,
    record,
)
from tests.flow.harness import Harness, open_harness, run_workers, wait_until
from tests.flow.test_inbound import job

pytestmark = pytest.mark.anyio
ARTICLE = ContentRef(type="article", id="123")
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def harness(url: str) -> AsyncIterator[Harness]:
    async with open_empty_database(url) as db, open_harness(db, MemoryBroker()) as made:
        yield made


def came(job_id: str, name: str = "share_created") -> InboundJob:
    return InboundJob(name=name, text=msgspec.json.encode(job(job_id)).decode())


async def parked(harness: Harness, each: InboundJob, reason: str = "the database refused it") -> ParkedEvent:
    result = await harness.inbound().park(each, reason)
    assert (result.outcome, result.error) == ("parked", reason)
    found = await harness.db.events.parked(limit=1)
    return found[0]


async def replayed(harness: Harness, *which: ParkedEvent) -> None:
    """Replay, let it be handled and counted; nothing drifts."""
    ids = [each.event.id for each in which]
    assert await parked_events.replay(harness.db.events, harness.broker, ids) == (frozenset(ids), True)
    assert await harness.counts_match_ledger()
    async with run_workers(harness.worker(harness.inbound()), harness.worker(harness.count())):
        await wait_until(harness.all_counted)
    assert await harness.counts_match_ledger()


async def test_a_replayed_job_that_became_valid_is_counted_once(harness: Harness) -> None:
    first, second = await parked(harness, came("1")), await parked(harness, came("2", "share_deleted"))
    third = await parked(harness, came("1"))  # delivered again before anybody replayed it
    await replayed(harness, first, third)
    assert await harness.shares(ARTICLE) == 1
    await replayed(harness, second)
    assert await harness.shares(ARTICLE) == 0
    assert await harness.db.events.parked(limit=10) == []


async def test_a_marker_of_the_year_1_is_parked_and_does_not_stop_the_worker(harness: Harness) -> None:
    """Some databases cannot store such a time: the worker that tried would end, and the next one after it."""
    await harness.broker.publish([Message(job="mark.in", body=b'{"mark": "0001-01-01T00:00:00+01:00"}')])

    async def was_parked() -> bool:
        return (await harness.db.events.backlog()).parked == 1

    async with run_workers(harness.worker(harness.inbound())):
        await wait_until(was_parked)


async def test_a_replayed_job_that_is_still_invalid_is_parked_again_unchanged(harness: Harness) -> None:
    kept = await parked(harness, came("1", "share_updated"))
    await replayed(harness, kept)
    (again,) = await harness.db.events.parked(limit=10)
    assert again.event == kept.event
    assert again.reason.startswith("no job of ours: 'share_updated'")


async def test_a_job_delivered_twice_during_its_replay_counts_once(harness: Harness) -> None:
    kept = await parked(harness, came("1"))
    await parked_events.replay(harness.db.events, None, [kept.event.id])
    await harness.send(kept.event, kept.event)
    await harness.send(kept.event)
    async with run_workers(harness.worker(harness.inbound()), harness.worker(harness.count())):
        await wait_until(harness.all_counted)
    assert (await harness.shares(ARTICLE), await harness.counts_match_ledger()) == (1, True)


@on_sqlite
async def test_a_cause_that_was_fixed(harness: Harness) -> None:
    await execute_sql(
        harness.db,
        "CREATE TRIGGER refuse BEFORE INSERT ON adjustments BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    with pytest.raises(DataRejected, match="refused"):
        await harness.inbound().handle([came("1")])
    kept = await parked(harness, came("1"), "refused")
    await replayed(harness, kept)
    assert len(await harness.db.events.parked(limit=10)) == 1
    await execute_sql(harness.db, "DROP TRIGGER refuse")
    await replayed(harness, kept)
    assert await harness.shares(ARTICLE) == 1


async def test_giving_it_up_moves_nothing(harness: Harness) -> None:
    kept = await parked(harness, came("1"))
    assert (
        await parked_events.discard(harness.db.events, harness.clock, kept.event.id, actor="olga", reason="a test")
        == []
    )
    assert (await harness.db.events.backlog()).parked == 0
    assert (await harness.shares(ARTICLE), await harness.counts_match_ledger()) == (0, True)


async def test_ids_of_others_events_are_left_alone(harness: Harness) -> None:
    """Somebody at the broker could send them."""
    (event,) = await insert_shares(harness.db, record())
    forged = EventRef(id=event.id, job=str(Job.SHARE_INBOUND), content=event.content)
    (message,) = to_messages([forged])
    inbound = harness.inbound()
    jobs, _ = inbound.decode(Delivery(tag=1, job=message.job, body=message.body))
    assert [result.outcome for result in await inbound.handle(jobs)] == ["duplicate"]
    await harness.count().handle([to_ref(event)])
    assert (await harness.shares(event.content), await harness.counts_match_ledger()) == (1, True)
