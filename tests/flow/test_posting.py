"""Posting: a delivery written with the retry. This version cannot post, and says so on the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.backoff import Backoff
from sharetally.domain.caller import Caller
from sharetally.domain.delivery import Dead, Delivery, Outcome
from sharetally.domain.errors import Conflict, NotFound
from sharetally.domain.event import Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action, Evidence, ShareRecord, Status
from sharetally.flow import parked_events
from sharetally.flow.delivery.handler import Lease
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.withdraw_commands import Retry
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    DATABASES,
    VIDEO,
    created_event,
    database_url_for,
    open_empty_database,
    record,
    records_by_key,
    write_rows,
)
from tests.contracts.delivery_rows import logged, states
from tests.flow.harness import Harness, open_harness, run_workers, wait_until

pytestmark = pytest.mark.anyio
ANNA = Caller(user_id="anna", actor="anna", scopes=frozenset({"shares"}))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def harness(url: str) -> AsyncIterator[Harness]:
    async with open_empty_database(url) as db, open_harness(db, MemoryBroker()) as made:
        yield made


class Broken(PostHandler):
    """A handler that can never deliver."""

    retries = Backoff(first=0.0, longest=0.0, attempts=2)

    async def deliver(self, delivery: Delivery, lease: Lease) -> Outcome:
        raise RuntimeError("no such platform")


async def seeded(db: SqlDatabase, status: Status) -> ShareRecord:
    stands = record(
        status=status, evidence=Evidence.POSTED, first_shared_at=None, last_shared_at=None, error_code="timeout"
    )
    await write_rows(db, Writes(new_records=records_by_key(stands)))
    return stands


async def retried(harness: Harness) -> ShareRecord:
    return await harness.committer.submit(Retry(content=VIDEO, caller=ANNA, platform="twitter", request_id="request-7"))


async def stored(db: SqlDatabase) -> ShareRecord:
    return (await db.shares.of_user(VIDEO, "anna"))["twitter"]


async def dead_post(harness: Harness) -> Delivery:
    """A retry whose delivery is dead."""
    await seeded(harness.db, Status.FAILED)
    await retried(harness)
    async with run_workers(harness.deliveries(post_handler(harness, Broken))):
        await wait_until(lambda: _is_dead(harness))
    (found,) = await harness.db.deliveries.stuck(limit=10)
    return found


async def _is_dead(harness: Harness) -> bool:
    return bool(await harness.db.deliveries.stuck(limit=1))


async def _is_failed(harness: Harness) -> bool:
    return (await stored(harness.db)).status is Status.FAILED


def post_handler(harness: Harness, kind: type[PostHandler] = PostHandler) -> PostHandler:
    db = harness.db
    return kind(ledger=db, posts=db.posts, deliveries=db.deliveries, clock=harness.clock)


def stuck(harness: Harness) -> StuckDeliveries:
    return StuckDeliveries(store=harness.db.deliveries, ledger=harness.db, handlers=[post_handler(harness)])


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN])
async def test_a_retry_settles_as_failed_with_a_reason(harness: Harness, status: Status) -> None:
    await seeded(harness.db, status)
    asked = await retried(harness)
    waits = Status.UNKNOWN if status is Status.UNKNOWN else Status.PENDING  # what may be there is looked up first
    assert (asked.status, asked.attempt_count, asked.error_code) == (waits, 2, None)
    assert (await harness.pending(), set((await states(harness.db)).values())) == (0, {"waiting"})
    async with run_workers(harness.deliveries()):
        await wait_until(lambda: _is_failed(harness))
    settled = await stored(harness.db)
    assert (settled.status, settled.error_code, settled.attempt_count) == (Status.FAILED, "posting-unavailable", 2)
    assert "cannot post" in (settled.error_message or "")
    assert (await states(harness.db), list((await logged(harness.db)).values())) == ({}, ["done"])
    assert (await harness.shares(), await harness.counts_match_ledger()) == (0, True)


async def test_the_audit_shows_every_step_of_a_retry(harness: Harness) -> None:
    await seeded(harness.db, Status.FAILED)
    await retried(harness)
    async with run_workers(harness.deliveries()):
        await wait_until(lambda: _is_failed(harness))
    lines = await harness.db.audit.page(AuditFilter(), limit=10, after=None)
    assert [(line.action, line.actor, line.status, line.request_id) for line in reversed(lines)] == [
        ("retried", "anna", "pending", "request-7"),
        ("failed", "sharetally", "failed", "request-7"),
    ]
    assert lines[0].error_code == "posting-unavailable"


async def test_a_failed_post_can_be_retried_any_number_of_times(harness: Harness) -> None:
    await seeded(harness.db, Status.FAILED)
    async with run_workers(harness.deliveries()):
        for attempt in (2, 3):
            assert (await retried(harness)).attempt_count == attempt
            await wait_until(lambda: _is_failed(harness))


async def test_while_it_is_pending_a_retry_is_refused(harness: Harness) -> None:
    await seeded(harness.db, Status.FAILED)
    await retried(harness)
    with pytest.raises(Conflict):
        await retried(harness)
    assert len(await states(harness.db)) == 1


async def test_a_record_that_has_moved_on_is_not_changed(harness: Harness) -> None:
    await seeded(harness.db, Status.FAILED)
    await retried(harness)
    moved_on = (await stored(harness.db))._replace(status=Status.WITHDRAWN)
    await write_rows(harness.db, Writes(changed_records=records_by_key(moved_on)))
    async with run_workers(harness.deliveries()):
        await wait_until(lambda: _is_logged(harness))
    assert await stored(harness.db) == moved_on


async def _is_logged(harness: Harness) -> bool:
    return bool(await logged(harness.db))


# dead


async def test_a_dead_post_can_be_replayed(harness: Harness) -> None:
    found = await dead_post(harness)
    assert (found.last_error, (await stored(harness.db)).status) == ("RuntimeError: no such platform", Status.PENDING)
    assert await stuck(harness).replay([found.id], harness.broker) == [found.id]
    async with run_workers(harness.deliveries()):
        await wait_until(lambda: _is_failed(harness))
    assert await harness.db.deliveries.stuck(limit=10) == []


async def test_discarding_a_dead_post_lets_its_record_move_on(harness: Harness) -> None:
    found = await dead_post(harness)
    await stuck(harness).discard(found.id, actor="olga", reason="the platform is gone")
    failed = await stored(harness.db)
    assert (failed.status, failed.error_code) == (Status.FAILED, "post-discarded")
    assert failed.error_message == "the platform is gone"
    lines = await harness.db.audit.page(AuditFilter(), limit=10, after=None)
    assert {(line.action, line.actor) for line in lines[:2]} == {(Action.FAILED, "olga"), (Action.DISCARDED, "olga")}
    assert await logged(harness.db) == {found.id: "discarded"}
    with pytest.raises(NotFound):
        await stuck(harness).discard(found.id, actor="olga", reason="once more")
    assert (await retried(harness)).attempt_count == 3


async def test_a_failed_discard_leaves_the_record_unchanged(harness: Harness) -> None:
    """Somebody replays it between the look and the discard."""
    found = await dead_post(harness)
    letters = stuck(harness)
    await harness.db.deliveries.replay([found.id])
    with pytest.raises(NotFound):
        await letters.discard(found.id, actor="olga", reason="too late")
    assert (await stored(harness.db)).status is Status.PENDING


async def test_discarding_a_parked_post_of_the_previous_version_lets_its_record_move_on(harness: Harness) -> None:
    pending = await seeded(harness.db, Status.PENDING)
    event = created_event(pending, id=new_id(), job=Job.SHARE_POST, delta=0, cell_delta=0, to=None, platform=None)
    event = event._replace(payload=pending.platform)
    await write_rows(harness.db, Writes(events=[event]))
    await harness.db.events.park(event.id, "a poison")
    await parked_events.discard(harness.db.events, harness.clock, event.id, actor="olga", reason="the platform is gone")
    failed = await stored(harness.db)
    assert (failed.status, failed.error_code) == (Status.FAILED, "post-discarded")
    assert (await retried(harness)).status is Status.PENDING


async def test_a_dead_delivery_is_logged_as_an_error_and_a_failed_one_is_not(harness: Harness) -> None:
    class Refuses(PostHandler):
        async def deliver(self, delivery: Delivery, lease: Lease) -> Outcome:
            return Dead(reason="it refuses")

    await seeded(harness.db, Status.FAILED)
    await retried(harness)
    async with run_workers(harness.deliveries(post_handler(harness, Refuses))):
        await wait_until(lambda: _is_dead(harness))
    (found,) = await harness.db.deliveries.stuck(limit=10)
    assert (found.attempts, found.last_error) == (1, "it refuses")
