"""Posting: a delivery written with the retry. This version cannot post, and says so on the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.backoff import Backoff
from sharetally.domain.caller import Caller
from sharetally.domain.delivery import Dead, Delivery, Outcome
from sharetally.domain.errors import Conflict, NotFound
from sharetally.domain.event import Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action, Evidence, ShareRecord, Status
from sharetally.flow import dead
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.sharing import Retry
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import DATABASES, VIDEO, created, emptied, of_records, record, shared_url, write
from tests.contracts.delivery_rows import logged, states
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


class Broken(PostHandler):
    """A handler that can never deliver."""

    retries = Backoff(first=0.0, longest=0.0, attempts=2)

    async def deliver(self, delivery: Delivery) -> Outcome:
        raise RuntimeError("no such platform")


async def seeded(db: SqlDatabase, status: Status) -> ShareRecord:
    stands = record(
        status=status, evidence=Evidence.POSTED, first_shared_at=None, last_shared_at=None, error_code="timeout"
    )
    await write(db, Writes(new_records=of_records(stands)))
    return stands


async def retried(stage: Stage) -> ShareRecord:
    return await stage.committer.submit(Retry(content=VIDEO, caller=ANNA, platform="twitter", request_id="request-7"))


async def stored(db: SqlDatabase) -> ShareRecord:
    return (await db.records_of(VIDEO, "anna"))["twitter"]


async def dead_post(stage: Stage) -> Delivery:
    """A retry whose delivery is dead."""
    await seeded(stage.db, Status.FAILED)
    await retried(stage)
    async with working(stage.deliveries(Broken(stage.clock))):
        await until(lambda: _is_dead(stage))
    (found,) = await stage.db.deliveries.stuck(limit=10)
    return found


async def _is_dead(stage: Stage) -> bool:
    return bool(await stage.db.deliveries.stuck(limit=1))


async def _is_failed(stage: Stage) -> bool:
    return (await stored(stage.db)).status is Status.FAILED


def stuck(stage: Stage) -> StuckDeliveries:
    return StuckDeliveries(store=stage.db.deliveries, ledger=stage.db, handlers=[PostHandler(stage.clock)])


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN])
async def test_a_retry_settles_as_failed_with_a_reason(stage: Stage, status: Status) -> None:
    await seeded(stage.db, status)
    pending = await retried(stage)
    assert (pending.status, pending.attempt_count, pending.error_code) == (Status.PENDING, 2, None)
    assert (await stage.pending(), set((await states(stage.db)).values())) == (0, {"waiting"})
    async with working(stage.deliveries()):
        await until(lambda: _is_failed(stage))
    settled = await stored(stage.db)
    assert (settled.status, settled.error_code, settled.attempt_count) == (Status.FAILED, "posting-unavailable", 2)
    assert "cannot post" in (settled.error_message or "")
    assert (await states(stage.db), list((await logged(stage.db)).values())) == ({}, ["done"])
    assert (await stage.shares(), await stage.proven()) == (0, True)


async def test_the_audit_tells_the_story_of_a_retry(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    await retried(stage)
    async with working(stage.deliveries()):
        await until(lambda: _is_failed(stage))
    lines = await stage.db.audit(AuditFilter(), limit=10, after=None)
    assert [(line.action, line.actor, line.status, line.request_id) for line in reversed(lines)] == [
        ("retried", "anna", "pending", "request-7"),
        ("failed", "sharetally", "failed", "request-7"),
    ]
    assert lines[0].error_code == "posting-unavailable"


async def test_it_can_be_retried_again_and_again(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    async with working(stage.deliveries()):
        for attempt in (2, 3):
            assert (await retried(stage)).attempt_count == attempt
            await until(lambda: _is_failed(stage))


async def test_while_it_is_pending_a_retry_is_refused(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    await retried(stage)
    with pytest.raises(Conflict):
        await retried(stage)
    assert len(await states(stage.db)) == 1


async def test_a_record_that_moved_on_meanwhile_stays_as_it_is(stage: Stage) -> None:
    await seeded(stage.db, Status.FAILED)
    await retried(stage)
    moved_on = (await stored(stage.db))._replace(status=Status.WITHDRAWN)
    await write(stage.db, Writes(changed_records=of_records(moved_on)))
    async with working(stage.deliveries()):
        await until(lambda: _is_logged(stage))
    assert await stored(stage.db) == moved_on


async def _is_logged(stage: Stage) -> bool:
    return bool(await logged(stage.db))


# dead


async def test_a_dead_post_can_be_replayed(stage: Stage) -> None:
    found = await dead_post(stage)
    assert (found.last_error, (await stored(stage.db)).status) == ("RuntimeError: no such platform", Status.PENDING)
    assert await stuck(stage).replay([found.id], stage.broker) == [found.id]
    async with working(stage.deliveries()):
        await until(lambda: _is_failed(stage))
    assert await stage.db.deliveries.stuck(limit=10) == []


async def test_discarding_a_dead_post_lets_its_record_move_on(stage: Stage) -> None:
    found = await dead_post(stage)
    await stuck(stage).discard(found.id, actor="olga", reason="the platform is gone")
    failed = await stored(stage.db)
    assert (failed.status, failed.error_code) == (Status.FAILED, "post-discarded")
    assert failed.error_message == "the platform is gone"
    lines = await stage.db.audit(AuditFilter(), limit=10, after=None)
    assert {(line.action, line.actor) for line in lines[:2]} == {(Action.FAILED, "olga"), (Action.DISCARDED, "olga")}
    assert await logged(stage.db) == {found.id: "discarded"}
    with pytest.raises(NotFound):
        await stuck(stage).discard(found.id, actor="olga", reason="once more")
    assert (await retried(stage)).attempt_count == 3


async def test_what_cannot_be_discarded_leaves_the_record_as_it_is(stage: Stage) -> None:
    """Somebody replays it between the look and the discard."""
    found = await dead_post(stage)
    letters = stuck(stage)
    await stage.db.deliveries.replay([found.id])
    with pytest.raises(NotFound):
        await letters.discard(found.id, actor="olga", reason="too late")
    assert (await stored(stage.db)).status is Status.PENDING


async def test_discarding_a_parked_post_of_the_version_before_lets_its_record_move_on(stage: Stage) -> None:
    pending = await seeded(stage.db, Status.PENDING)
    event = created(pending, id=new_id(), job=Job.SHARE_POST, delta=0, moved=0, to=None, platform=None)
    event = event._replace(payload=pending.platform)
    await write(stage.db, Writes(events=[event]))
    await stage.db.park(event.id, "a poison")
    await dead.discard(stage.db, stage.clock, event.id, actor="olga", reason="the platform is gone")
    failed = await stored(stage.db)
    assert (failed.status, failed.error_code) == (Status.FAILED, "post-discarded")
    assert (await retried(stage)).status is Status.PENDING


async def test_a_dead_delivery_is_told_from_one_that_failed(stage: Stage) -> None:
    class Refuses(PostHandler):
        async def deliver(self, delivery: Delivery) -> Outcome:
            return Dead(reason="it refuses")

    await seeded(stage.db, Status.FAILED)
    await retried(stage)
    async with working(stage.deliveries(Refuses(stage.clock))):
        await until(lambda: _is_dead(stage))
    (found,) = await stage.db.deliveries.stuck(limit=10)
    assert (found.attempts, found.last_error) == (1, "it refuses")
