"""What was set aside: replayed once its cause is mended, or given up with an author and a reason. Nothing drifts."""

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
from sharetally.flow import dead
from sharetally.flow.jobs import head_of
from sharetally.ports import AuditFilter, Writes
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    VIDEO,
    adjusted,
    adjustment,
    created,
    deleted,
    emptied,
    link,
    moved,
    of_links,
    of_records,
    record,
    run,
    share,
    shared_url,
    write,
)
from tests.flow.stage import Stage, staged, until, working

pytestmark = pytest.mark.anyio
POISON = ContentRef(type="video", id="poison")
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    async with emptied(url) as db, staged(db, MemoryBroker()) as made:
        yield made


def _told(found: dead.Replayed) -> tuple[int, bool]:
    return len(found.ids), found.sent


async def parked(stage: Stage, *events: Event) -> None:
    for event in events:
        await stage.db.park(event.id, "poison")
    assert await stage.proven()


async def discard(stage: Stage, event: Event) -> int:
    """Give it up; how many lines of the ledger it took."""
    lines = await dead.discard(stage.db, stage.clock, event.id, actor="olga", reason="never happened")
    return len(lines)


# replayed


async def test_what_is_replayed_is_counted(stage: Stage) -> None:
    events = await share(stage.db, record(), record(user_id="bert"))
    await parked(stage, *events)
    assert await stage.pending() == 0
    assert _told(await dead.replay(stage.db, stage.broker, [event.id for event in events])) == (2, True)
    async with working(stage.worker(stage.count())):
        await until(stage.counted)
    assert (await stage.shares(), await stage.proven()) == (2, True)
    assert await stage.db.parked(limit=10) == []


@on_sqlite
async def test_without_a_broker_the_relay_sends_it(stage: Stage) -> None:
    (event,) = await share(stage.db, record())
    await parked(stage, event)
    assert _told(await dead.replay(stage.db, None, [event.id])) == (1, False)
    assert await stage.pending() == 1


@on_sqlite
async def test_with_a_broker_that_is_away_the_relay_sends_it(stage: Stage) -> None:
    (event,) = await share(stage.db, record())
    await parked(stage, event)
    await stage.broker.close()
    assert _told(await dead.replay(stage.db, stage.broker, [event.id])) == (1, False)
    assert await stage.pending() == 1


@on_sqlite
async def test_what_is_not_parked_is_not_replayed(stage: Stage) -> None:
    (event,) = await share(stage.db, record())
    assert _told(await dead.replay(stage.db, stage.broker, [event.id, new_id()])) == (0, False)


@on_sqlite
async def test_poison_is_parked_again_until_its_cause_is_mended(stage: Stage) -> None:
    await run(
        stage.db,
        "CREATE TRIGGER refuse BEFORE INSERT ON share_totals WHEN NEW.content_id = 'poison' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    good = await share(stage.db, *(record(user_id=f"user-{each}") for each in range(20)))
    (poison,) = await share(stage.db, record(content=POISON))
    async with working(stage.worker(stage.count())):
        await stage.send(*good[:7], poison, *good[7:])
        await until(stage.counted)
        for _ in range(2):
            (found,) = await stage.db.parked(limit=10)
            assert (found.event, "refused" in found.reason) == (poison, True)
            assert (await stage.shares(), await stage.proven()) == (20, True)
            assert _told(await dead.replay(stage.db, stage.broker, [poison.id])) == (1, True)
            await until(lambda: _is_parked(stage))
        await run(stage.db, "DROP TRIGGER refuse")
        await dead.replay(stage.db, stage.broker, [poison.id])
        await until(stage.counted)
    assert (await stage.shares(POISON), await stage.proven()) == (1, True)


async def _is_parked(stage: Stage) -> bool:
    return bool(await stage.db.parked(limit=1))


# given up


def _confirmed() -> tuple[Writes, list[Event]]:
    posted = record(evidence=Evidence.POSTED)
    made = created(posted._replace(evidence=Evidence.DECLARED))
    assert made.to is not None
    confirmation = moved(posted, made.to, platform="twitter")
    return Writes(new_records=of_records(posted)), [made, confirmation]


def _patched() -> tuple[Writes, list[Event]]:
    first = link(channel="mail", campaign="spring")
    now = replace(first, channel="", campaign="")
    return Writes(new_links=of_links(now)), [created(first), moved(now, first.cell)]


def _deleted() -> tuple[Writes, list[Event]]:
    gone = link(deleted_at=AT)
    return Writes(new_links=of_links(gone)), [created(gone), deleted(gone)]


def _corrected() -> tuple[Writes, list[Event]]:
    lines = [adjustment(-5, channel="chat"), adjustment(1_000_000)]
    return Writes(adjustments={line.request_key: line for line in lines}), [adjusted(line) for line in lines]


Story = Callable[[], tuple[Writes, list[Event]]]


@pytest.mark.parametrize("story", [_confirmed, _patched, _deleted, _corrected])
@pytest.mark.parametrize("which", [0, 1])
async def test_whatever_is_given_up_nothing_drifts(stage: Stage, story: Story, which: int) -> None:
    writes, events = story()
    writes.events.extend(events)
    await write(stage.db, writes)
    given_up = events.pop(which)
    await parked(stage, given_up)
    await discard(stage, given_up)
    assert await stage.proven()
    await stage.count().handle([head_of(event) for event in events])
    assert (await stage.pending(), await stage.proven()) == (0, True)


async def test_a_share_that_is_given_up_does_not_count(stage: Stage) -> None:
    events = await share(stage.db, record(), record(user_id="bert"))
    await parked(stage, events[0])
    assert await discard(stage, events[0]) == 1
    await stage.count().handle([head_of(event) for event in events])
    assert (await stage.shares(), await stage.proven()) == (1, True)
    assert (await stage.db.platform_status(VIDEO))["twitter"].shares == 1


@on_sqlite
async def test_who_gave_it_up_and_why_is_in_the_audit(stage: Stage) -> None:
    (event,) = await share(stage.db, record())
    await parked(stage, event)
    await discard(stage, event)
    (line,) = await stage.db.audit(AuditFilter(), limit=10, after=None)
    assert (line.action, line.actor, line.error_message) == (Action.DISCARDED, "olga", "never happened")
    assert (line.subject_id, line.user_id, line.request_id) == (event.share_id, "anna", "request-1")


@on_sqlite
@pytest.mark.parametrize("job", [Job.SHARE_POST, Job.SHARE_FEED, Job.SHARE_INBOUND])
async def test_what_moves_no_count_takes_no_line_of_the_ledger(stage: Stage, job: Job) -> None:
    event = created(record(), job=job, delta=0, moved=0, to=None, platform=None)
    await write(stage.db, Writes(events=[event]))
    await parked(stage, event)
    assert await discard(stage, event) == 0
    assert await stage.proven()


@on_sqlite
async def test_only_what_is_parked_can_be_given_up_and_once(stage: Stage) -> None:
    (event,) = await share(stage.db, record())
    with pytest.raises(NotFound):
        await discard(stage, event)
    await parked(stage, event)
    await discard(stage, event)
    with pytest.raises(NotFound):
        await discard(stage, event)
    assert await stage.proven()


async def test_a_count_between_look_and_discard(stage: Stage) -> None:
    """Replayed and counted by somebody else, it is not parked any more: discarding finds nothing to cancel."""
    (event,) = await share(stage.db, record())
    await parked(stage, event)
    await dead.replay(stage.db, None, [event.id])
    await stage.count().handle([head_of(event)])
    with pytest.raises(NotFound):
        await discard(stage, event)
    assert (await stage.shares(), await stage.proven()) == (1, True)


@on_sqlite
@pytest.mark.parametrize(
    ("author", "reason"),
    [("", "why"), (" ", "why"), ("o" * 129, "why"), ("olga", " "), ("olga", "y" * 501), ("o", "\0")],
)
async def test_giving_up_needs_an_author_and_a_reason(stage: Stage, author: str, reason: str) -> None:
    (event,) = await share(stage.db, record())
    await parked(stage, event)
    with pytest.raises(InvalidRequest):
        await dead.discard(stage.db, stage.clock, event.id, actor=author, reason=reason)
    assert (await stage.db.backlog()).parked == 1
