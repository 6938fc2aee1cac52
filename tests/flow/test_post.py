"""Posting: this version cannot, and says so on the record instead of leaving it pending for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.caller import Caller
from sharetally.domain.errors import Conflict
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.flow.consumers.post import Post
from sharetally.flow.jobs import head_of
from sharetally.flow.sharing import Retry
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import AT, DATABASES, VIDEO, created, emptied, of_records, record, shared_url, write
from tests.flow.stage import Stage, staged, until, working

pytestmark = pytest.mark.anyio
ANNA = Caller(user_id="anna", actor="anna", scopes=frozenset({"shares"}))


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


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN])
async def test_a_retry_settles_as_failed_with_a_reason(stage: Stage, status: Status) -> None:
    await seeded(stage.db, status)
    wish = Retry(content=VIDEO, caller=ANNA, platform="twitter", request_id="request-7")
    pending = await stage.committer.submit(wish)
    assert (pending.status, pending.attempt_count, pending.error_code) == (Status.PENDING, 2, None)
    async with working(stage.worker(post(stage))):
        await until(stage.counted)
    settled = await standing(stage.db)
    assert (settled.status, settled.error_code, settled.attempt_count) == (Status.FAILED, "posting-unavailable", 2)
    assert "cannot post" in (settled.error_message or "")
    assert (await stage.shares(), await stage.proven()) == (0, True)


async def test_the_audit_tells_the_story_of_a_retry(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    await stage.committer.submit(Retry(content=VIDEO, caller=ANNA, platform="twitter", request_id="request-7"))
    async with working(stage.worker(post(stage))):
        await until(stage.counted)
    lines = await stage.db.audit(AuditFilter(), limit=10, after=None)
    assert [(line.action, line.actor, line.status, line.request_id) for line in reversed(lines)] == [
        ("retried", "anna", "pending", "request-7"),
        ("failed", "sharetally", "failed", "request-7"),
    ]
    assert lines[0].error_code == "posting-unavailable"


async def test_it_can_be_retried_again_and_again(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    async with working(stage.worker(post(stage))):
        for attempt in (2, 3):
            await stage.committer.submit(Retry(content=VIDEO, caller=ANNA, platform="twitter"))
            await until(stage.counted)
            assert (await standing(stage.db)).attempt_count == attempt


async def test_while_it_is_pending_a_retry_is_refused(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    await stage.committer.submit(Retry(content=VIDEO, caller=ANNA, platform="twitter"))
    with pytest.raises(Conflict):
        await stage.committer.submit(Retry(content=VIDEO, caller=ANNA, platform="twitter"))


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
