"""Posts that the version before ordered by events: settled for as long as such events may come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.flow.consumers.post import Post
from sharetally.flow.jobs import head_of
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import AT, DATABASES, VIDEO, created, emptied, of_records, record, shared_url, write
from tests.flow.stage import Stage, staged, until, working

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    async with emptied(url) as db, staged(db, MemoryBroker()) as made:
        yield made


def post(stage: Stage) -> Post:
    return Post(ledger=stage.db, outbox=stage.db, clock=stage.clock)


async def seeded(db: SqlDatabase, status: Status) -> ShareRecord:
    stands = record(
        status=status, evidence=Evidence.POSTED, first_shared_at=None, last_shared_at=None, error_code="timeout"
    )
    await write(db, Writes(new_records=of_records(stands)))
    return stands


async def asked(db: SqlDatabase, of: ShareRecord) -> Event:
    """The token of a post that was asked for."""
    job = created(of, job=Job.SHARE_POST, delta=0, moved=0, to=None, platform=None, payload=of.platform)
    await write(db, Writes(events=[job]))
    return job


async def standing(db: SqlDatabase) -> ShareRecord:
    return (await db.records_of(VIDEO, "anna"))["twitter"]


async def test_an_event_of_the_version_before_settles_as_failed_with_a_reason(stage: Stage) -> None:
    job = await asked(stage.db, await seeded(stage.db, Status.PENDING))
    async with working(stage.worker(post(stage))):
        await stage.send(job)
        await until(stage.counted)
    settled = await standing(stage.db)
    assert (settled.status, settled.error_code) == (Status.FAILED, "posting-unavailable")
    assert "cannot post" in (settled.error_message or "")
    assert (await stage.shares(), await stage.proven()) == (0, True)


@pytest.mark.parametrize("status", [Status.WITHDRAWN, Status.SUCCESS, Status.FAILED])
async def test_what_was_settled_meanwhile_stays_as_it_is(stage: Stage, status: Status) -> None:
    stands = await seeded(stage.db, status)
    job = await asked(stage.db, stands)
    (result,) = await post(stage).handle([head_of(job)])
    assert result.outcome == "done"
    assert await standing(stage.db) == stands
    assert await stage.pending() == 0
    assert await stage.db.audit(AuditFilter(), limit=10, after=None) == []


async def test_a_record_that_is_gone(stage: Stage) -> None:
    job = await asked(stage.db, record())
    (result,) = await post(stage).handle([head_of(job)])
    assert (result.outcome, await stage.pending()) == ("done", 0)


async def test_delivered_twice_is_settled_once(stage: Stage) -> None:
    job = await asked(stage.db, await seeded(stage.db, Status.PENDING))
    consumer = post(stage)
    results = await consumer.handle([head_of(job), head_of(job)]) + await consumer.handle([head_of(job)])
    assert [result.outcome for result in results] == ["done", "duplicate", "duplicate"]
    assert len(await stage.db.audit(AuditFilter(), limit=10, after=None)) == 1


async def test_a_counters_event_is_left_alone(stage: Stage) -> None:
    stands = await seeded(stage.db, Status.SUCCESS)
    counted = created(stands._replace(evidence=Evidence.DECLARED), id=new_id())
    await write(stage.db, Writes(events=[counted]))
    (result,) = await post(stage).handle([head_of(counted)])
    assert (result.outcome, await stage.pending()) == ("duplicate", 1)


async def test_what_cannot_be_settled_is_parked(stage: Stage) -> None:
    job = await asked(stage.db, await seeded(stage.db, Status.PENDING))
    await post(stage).set_aside(head_of(job), "the platform is gone")
    (parked,) = await stage.db.parked(limit=10)
    assert (parked.event.id, parked.reason) == (job.id, "the platform is gone")
    assert parked.event.at == AT
