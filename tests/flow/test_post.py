"""Posts that the version before ordered by events: settled for as long as such events may come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Evidence, ShareRecord, Status
from sharetally.flow.consumers.post import Post
from sharetally.flow.jobs import to_ref
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    VIDEO,
    created_event,
    database_url_for,
    open_empty_database,
    record,
    records_by_key,
    write_rows,
)
from tests.flow.harness import Harness, open_harness, run_workers, wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def harness(url: str) -> AsyncIterator[Harness]:
    async with open_empty_database(url) as db, open_harness(db, MemoryBroker()) as made:
        yield made


def post(harness: Harness) -> Post:
    return Post(ledger=harness.db, events=harness.db.events, clock=harness.clock)


async def seeded(db: SqlDatabase, status: Status) -> ShareRecord:
    stands = record(
        status=status, evidence=Evidence.POSTED, first_shared_at=None, last_shared_at=None, error_code="timeout"
    )
    await write_rows(db, Writes(new_records=records_by_key(stands)))
    return stands


async def asked(db: SqlDatabase, of: ShareRecord) -> Event:
    """The event of a requested post."""
    job = created_event(of, job=Job.SHARE_POST, delta=0, cell_delta=0, to=None, platform=None, payload=of.platform)
    await write_rows(db, Writes(events=[job]))
    return job


async def standing(db: SqlDatabase) -> ShareRecord:
    return (await db.shares.of_user(VIDEO, "anna"))["twitter"]


async def test_an_event_of_the_version_before_settles_as_failed_with_a_reason(harness: Harness) -> None:
    job = await asked(harness.db, await seeded(harness.db, Status.PENDING))
    async with run_workers(harness.worker(post(harness))):
        await harness.send(job)
        await wait_until(harness.all_counted)
    settled = await standing(harness.db)
    assert (settled.status, settled.error_code) == (Status.FAILED, "posting-unavailable")
    assert "cannot post" in (settled.error_message or "")
    assert (await harness.shares(), await harness.counts_match_ledger()) == (0, True)


@pytest.mark.parametrize("status", [Status.WITHDRAWN, Status.SUCCESS, Status.FAILED])
async def test_a_record_that_is_already_settled_is_not_changed(harness: Harness, status: Status) -> None:
    stands = await seeded(harness.db, status)
    job = await asked(harness.db, stands)
    (result,) = await post(harness).handle([to_ref(job)])
    assert result.outcome == "done"
    assert await standing(harness.db) == stands
    assert await harness.pending() == 0
    assert await harness.db.audit.page(AuditFilter(), limit=10, after=None) == []


async def test_a_record_that_is_gone(harness: Harness) -> None:
    job = await asked(harness.db, record())
    (result,) = await post(harness).handle([to_ref(job)])
    assert (result.outcome, await harness.pending()) == ("done", 0)


async def test_delivered_twice_is_settled_once(harness: Harness) -> None:
    job = await asked(harness.db, await seeded(harness.db, Status.PENDING))
    consumer = post(harness)
    results = await consumer.handle([to_ref(job), to_ref(job)]) + await consumer.handle([to_ref(job)])
    assert [result.outcome for result in results] == ["done", "duplicate", "duplicate"]
    assert len(await harness.db.audit.page(AuditFilter(), limit=10, after=None)) == 1


async def test_a_counters_event_is_left_alone(harness: Harness) -> None:
    stands = await seeded(harness.db, Status.SUCCESS)
    counted = created_event(stands._replace(evidence=Evidence.DECLARED), id=new_id())
    await write_rows(harness.db, Writes(events=[counted]))
    (result,) = await post(harness).handle([to_ref(counted)])
    assert (result.outcome, await harness.pending()) == ("duplicate", 1)


async def test_an_event_that_cannot_be_settled_is_parked(harness: Harness) -> None:
    job = await asked(harness.db, await seeded(harness.db, Status.PENDING))
    await post(harness).park(to_ref(job), "the platform is gone")
    (parked,) = await harness.db.events.parked(limit=10)
    assert (parked.event.id, parked.reason) == (job.id, "the platform is gone")
    assert parked.event.at == AT
