"""Parked events: replayed once the cause is fixed, or discarded with an author and a reason. Nothing drifts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.domain.event import Event, Job
from sharetally.domain.ids import new_id
from sharetally.domain.share import Action, Evidence
from sharetally.flow import parked_events
from sharetally.flow.jobs import to_ref
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    VIDEO,
    adjusted_event,
    adjustment,
    created_event,
    database_url_for,
    deleted_event,
    execute_sql,
    insert_shares,
    link,
    links_by_id,
    moved_event,
    open_empty_database,
    record,
    records_by_key,
    write_rows,
)
from tests.flow.harness import Harness, open_harness, run_workers, wait_until

pytestmark = pytest.mark.anyio
POISON = ContentRef(type="video", id="poison")
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def harness(url: str) -> AsyncIterator[Harness]:
    async with open_empty_database(url) as db, open_harness(db, MemoryBroker()) as made:
        yield made


def _told(found: parked_events.Replayed) -> tuple[int, bool]:
    return len(found.ids), found.sent


async def parked(harness: Harness, *events: Event) -> None:
    for event in events:
        await harness.db.events.park(event.id, "poison")
    assert await harness.counts_match_ledger()


async def discard(harness: Harness, event: Event) -> int:
    """Give it up; how many lines of the ledger it took."""
    lines = await parked_events.discard(
        harness.db.events, harness.clock, event.id, actor="olga", reason="never happened"
    )
    return len(lines)


# replayed


async def test_a_replayed_event_is_counted(harness: Harness) -> None:
    events = await insert_shares(harness.db, record(), record(user_id="bert"))
    await parked(harness, *events)
    assert await harness.pending() == 0
    assert _told(await parked_events.replay(harness.db.events, harness.broker, [event.id for event in events])) == (
        2,
        True,
    )
    async with run_workers(harness.worker(harness.count())):
        await wait_until(harness.all_counted)
    assert (await harness.shares(), await harness.counts_match_ledger()) == (2, True)
    assert await harness.db.events.parked(limit=10) == []


@on_sqlite
async def test_without_a_broker_the_relay_sends_it(harness: Harness) -> None:
    (event,) = await insert_shares(harness.db, record())
    await parked(harness, event)
    assert _told(await parked_events.replay(harness.db.events, None, [event.id])) == (1, False)
    assert await harness.pending() == 1


@on_sqlite
async def test_with_a_broker_that_is_away_the_relay_sends_it(harness: Harness) -> None:
    (event,) = await insert_shares(harness.db, record())
    await parked(harness, event)
    await harness.broker.close()
    assert _told(await parked_events.replay(harness.db.events, harness.broker, [event.id])) == (1, False)
    assert await harness.pending() == 1


@on_sqlite
async def test_an_event_that_is_not_parked_is_not_replayed(harness: Harness) -> None:
    (event,) = await insert_shares(harness.db, record())
    assert _told(await parked_events.replay(harness.db.events, harness.broker, [event.id, new_id()])) == (0, False)


@on_sqlite
async def test_poison_is_parked_again_until_its_cause_is_fixed(harness: Harness) -> None:
    await execute_sql(
        harness.db,
        "CREATE TRIGGER refuse BEFORE INSERT ON share_totals WHEN NEW.content_id = 'poison' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    good = await insert_shares(harness.db, *(record(user_id=f"user-{each}") for each in range(20)))
    (poison,) = await insert_shares(harness.db, record(content=POISON))
    async with run_workers(harness.worker(harness.count())):
        await harness.send(*good[:7], poison, *good[7:])
        await wait_until(harness.all_counted)
        for _ in range(2):
            (found,) = await harness.db.events.parked(limit=10)
            assert (found.event, "refused" in found.reason) == (poison, True)
            assert (await harness.shares(), await harness.counts_match_ledger()) == (20, True)
            assert _told(await parked_events.replay(harness.db.events, harness.broker, [poison.id])) == (1, True)
            await wait_until(lambda: _is_parked(harness))
        await execute_sql(harness.db, "DROP TRIGGER refuse")
        await parked_events.replay(harness.db.events, harness.broker, [poison.id])
        await wait_until(harness.all_counted)
    assert (await harness.shares(POISON), await harness.counts_match_ledger()) == (1, True)


async def _is_parked(harness: Harness) -> bool:
    return bool(await harness.db.events.parked(limit=1))


# given up


def _confirmed() -> tuple[Writes, list[Event]]:
    posted = record(evidence=Evidence.POSTED)
    made = created_event(posted._replace(evidence=Evidence.DECLARED))
    assert made.to is not None
    confirmation = moved_event(posted, made.to, platform="twitter")
    return Writes(new_records=records_by_key(posted)), [made, confirmation]


def _patched() -> tuple[Writes, list[Event]]:
    first = link(channel="mail", campaign="spring")
    now = replace(first, channel="", campaign="")
    return Writes(new_links=links_by_id(now)), [created_event(first), moved_event(now, first.cell)]


def _deleted() -> tuple[Writes, list[Event]]:
    gone = link(deleted_at=AT)
    return Writes(new_links=links_by_id(gone)), [created_event(gone), deleted_event(gone)]


def _corrected() -> tuple[Writes, list[Event]]:
    lines = [adjustment(-5, channel="chat"), adjustment(1_000_000)]
    return Writes(adjustments={line.request_key: line for line in lines}), [adjusted_event(line) for line in lines]


Story = Callable[[], tuple[Writes, list[Event]]]


@pytest.mark.parametrize("story", [_confirmed, _patched, _deleted, _corrected])
@pytest.mark.parametrize("which", [0, 1])
async def test_discarding_any_event_causes_no_drift(harness: Harness, story: Story, which: int) -> None:
    writes, events = story()
    writes.events.extend(events)
    await write_rows(harness.db, writes)
    given_up = events.pop(which)
    await parked(harness, given_up)
    await discard(harness, given_up)
    assert await harness.counts_match_ledger()
    await harness.count().handle([to_ref(event) for event in events])
    assert (await harness.pending(), await harness.counts_match_ledger()) == (0, True)


async def test_a_share_that_is_given_up_does_not_count(harness: Harness) -> None:
    events = await insert_shares(harness.db, record(), record(user_id="bert"))
    await parked(harness, events[0])
    assert await discard(harness, events[0]) == 1
    await harness.count().handle([to_ref(event) for event in events])
    assert (await harness.shares(), await harness.counts_match_ledger()) == (1, True)
    assert (await harness.db.counts.by_platform(VIDEO))["twitter"].shares == 1


@on_sqlite
async def test_the_audit_names_the_person_who_discarded_it_and_the_reason(harness: Harness) -> None:
    (event,) = await insert_shares(harness.db, record())
    await parked(harness, event)
    await discard(harness, event)
    (line,) = await harness.db.audit.page(AuditFilter(), limit=10, after=None)
    assert (line.action, line.actor, line.error_message) == (Action.DISCARDED, "olga", "never happened")
    assert (line.subject_id, line.user_id, line.request_id) == (event.share_id, "anna", "request-1")


@on_sqlite
@pytest.mark.parametrize("job", [Job.SHARE_POST, Job.SHARE_FEED, Job.SHARE_INBOUND])
async def test_discarding_an_event_that_moves_no_count_adds_no_adjustment(harness: Harness, job: Job) -> None:
    event = created_event(record(), job=job, delta=0, cell_delta=0, to=None, platform=None)
    await write_rows(harness.db, Writes(events=[event]))
    await parked(harness, event)
    assert await discard(harness, event) == 0
    assert await harness.counts_match_ledger()


@on_sqlite
async def test_only_a_parked_event_can_be_discarded_and_only_once(harness: Harness) -> None:
    (event,) = await insert_shares(harness.db, record())
    with pytest.raises(NotFound):
        await discard(harness, event)
    await parked(harness, event)
    await discard(harness, event)
    with pytest.raises(NotFound):
        await discard(harness, event)
    assert await harness.counts_match_ledger()


async def test_an_event_counted_before_its_discard_is_not_discarded(harness: Harness) -> None:
    """Replayed and counted by somebody else, it is not parked any more: discarding finds nothing to cancel."""
    (event,) = await insert_shares(harness.db, record())
    await parked(harness, event)
    await parked_events.replay(harness.db.events, None, [event.id])
    await harness.count().handle([to_ref(event)])
    with pytest.raises(NotFound):
        await discard(harness, event)
    assert (await harness.shares(), await harness.counts_match_ledger()) == (1, True)


@on_sqlite
@pytest.mark.parametrize(
    ("author", "reason"),
    [("", "why"), (" ", "why"), ("o" * 129, "why"), ("olga", " "), ("olga", "y" * 501), ("o", "\0")],
)
async def test_giving_up_needs_an_author_and_a_reason(harness: Harness, author: str, reason: str) -> None:
    (event,) = await insert_shares(harness.db, record())
    await parked(harness, event)
    with pytest.raises(InvalidRequest):
        await parked_events.discard(harness.db.events, harness.clock, event.id, actor=author, reason=reason)
    assert (await harness.db.events.backlog()).parked == 1
