"""Jobs from outside that were parked: replayed from their rows, or given up; once is once all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import DataRefused
from sharetally.domain.event import Job
from sharetally.flow import dead
from sharetally.flow.consumers.foreign import InboundJob
from sharetally.flow.jobs import head_of, messages
from sharetally.ports import Delivery, EventHead, Message, ParkedEvent
from tests.contracts.database_rows import DATABASES, emptied, record, run, share, shared_url
from tests.flow.stage import Stage, staged, until, working
from tests.flow.test_inbound import job

pytestmark = pytest.mark.anyio
ARTICLE = ContentRef(type="article", id="123")
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    async with emptied(url) as db, staged(db, MemoryBroker()) as made:
        yield made


def came(job_id: str, name: str = "share_created") -> InboundJob:
    return InboundJob(name=name, text=msgspec.json.encode(job(job_id)).decode())


async def parked(stage: Stage, each: InboundJob, reason: str = "the database refused it") -> ParkedEvent:
    result = await stage.inbound().set_aside(each, reason)
    assert (result.outcome, result.error) == ("parked", reason)
    found = await stage.db.parked(limit=1)
    return found[0]


async def replayed(stage: Stage, *which: ParkedEvent) -> None:
    """Replay, let it be handled and counted; nothing drifts."""
    ids = [each.event.id for each in which]
    assert await dead.replay(stage.db, stage.broker, ids) == (frozenset(ids), True)
    assert await stage.proven()
    async with working(stage.worker(stage.inbound()), stage.worker(stage.count())):
        await until(stage.counted)
    assert await stage.proven()


async def test_what_can_be_counted_now_is_counted_once(stage: Stage) -> None:
    first, second = await parked(stage, came("1")), await parked(stage, came("2", "share_deleted"))
    third = await parked(stage, came("1"))  # delivered again before anybody replayed it
    await replayed(stage, first, third)
    assert await stage.shares(ARTICLE) == 1
    await replayed(stage, second)
    assert await stage.shares(ARTICLE) == 0
    assert await stage.db.parked(limit=10) == []


async def test_what_passes_for_a_mark_of_the_year_1_is_parked_and_ends_no_worker(stage: Stage) -> None:
    """Some databases cannot store such a time: the worker that tried would end, and the next one after it."""
    await stage.broker.publish([Message(job="mark.in", body=b'{"mark": "0001-01-01T00:00:00+01:00"}')])

    async def was_parked() -> bool:
        return (await stage.db.backlog()).parked == 1

    async with working(stage.worker(stage.inbound())):
        await until(was_parked)


async def test_what_is_still_no_job_is_parked_again_as_it_came(stage: Stage) -> None:
    kept = await parked(stage, came("1", "share_updated"))
    await replayed(stage, kept)
    (again,) = await stage.db.parked(limit=10)
    assert again.event == kept.event
    assert again.reason.startswith("no job of ours: 'share_updated'")


async def test_what_comes_twice_while_it_is_replayed_counts_once(stage: Stage) -> None:
    kept = await parked(stage, came("1"))
    await dead.replay(stage.db, None, [kept.event.id])
    await stage.send(kept.event, kept.event)
    await stage.send(kept.event)
    async with working(stage.worker(stage.inbound()), stage.worker(stage.count())):
        await until(stage.counted)
    assert (await stage.shares(ARTICLE), await stage.proven()) == (1, True)


@on_sqlite
async def test_a_cause_that_was_mended(stage: Stage) -> None:
    await run(
        stage.db,
        "CREATE TRIGGER refuse BEFORE INSERT ON adjustments BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    with pytest.raises(DataRefused, match="refused"):
        await stage.inbound().handle([came("1")])
    kept = await parked(stage, came("1"), "refused")
    await replayed(stage, kept)
    assert len(await stage.db.parked(limit=10)) == 1
    await run(stage.db, "DROP TRIGGER refuse")
    await replayed(stage, kept)
    assert await stage.shares(ARTICLE) == 1


async def test_giving_it_up_moves_nothing(stage: Stage) -> None:
    kept = await parked(stage, came("1"))
    assert await dead.discard(stage.db, stage.clock, kept.event.id, actor="olga", reason="a test") == []
    assert (await stage.db.backlog()).parked == 0
    assert (await stage.shares(ARTICLE), await stage.proven()) == (0, True)


async def test_ids_of_others_events_are_left_alone(stage: Stage) -> None:
    """Somebody at the broker could send them."""
    (event,) = await share(stage.db, record())
    forged = EventHead(id=event.id, job=str(Job.SHARE_INBOUND), content=event.content)
    (message,) = messages([forged])
    inbound = stage.inbound()
    jobs, _ = inbound.decode(Delivery(tag=1, job=message.job, body=message.body))
    assert [result.outcome for result in await inbound.handle(jobs)] == ["duplicate"]
    await stage.count().handle([head_of(event)])
    assert (await stage.shares(event.content), await stage.proven()) == (1, True)
