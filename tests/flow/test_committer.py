"""The group commit on real databases: exactly one of many creates the record, and no command fails for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import DataRejected, IdempotencyKeyReused, NotFound, QueueFull, Unavailable
from sharetally.domain.event import Event
from sharetally.domain.share import ShareRecord, Trigger
from sharetally.flow import committer
from sharetally.ports import AuditFilter
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    count_events,
    database_url_for,
    open_database,
    open_empty_database,
    query_int,
)
from tests.flow.running_committer import (
    VIDEO,
    FailingCommand,
    already_shared_flags,
    gather_outcomes,
    idempotent,
    run_committer,
    share,
    withdraw,
)

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def actions(db: SqlDatabase) -> list[str]:
    """What the audit says, oldest first."""
    return [line.action for line in await db.audit.page(AuditFilter(), limit=1_000, after=None)][::-1]


async def users(db: SqlDatabase, *named: str) -> set[str]:
    """Who of these has a record of VIDEO."""
    return {user for user in named if await db.shares.of_user(VIDEO, user)}


async def exact(db: SqlDatabase) -> int:
    """The shares of VIDEO, counted or not; nothing may be off."""
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()
    return (await db.counts.exact([VIDEO]))[0].shares


# one of many


async def test_of_many_identical_requests_exactly_one_creates_the_record(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        outcomes = await asyncio.gather(*(work.committer.submit(share()) for _ in range(200)))
    assert sorted(already_shared_flags(outcomes)) == [False] + [True] * 199
    assert len({outcome[0].record.id for outcome in outcomes}) == 1
    assert await actions(db) == ["shared"]
    assert await exact(db) == 1
    assert len(work.published) == 1


@on_servers
async def test_of_many_identical_requests_to_two_processes_exactly_one_creates_the_record(
    db: SqlDatabase, url: str
) -> None:
    async with open_database(url) as other, run_committer(db) as here, run_committer(other) as there:
        commands = [work.committer.submit(share()) for _ in range(100) for work in (here, there)]
        outcomes = await asyncio.gather(*commands)
    assert sorted(already_shared_flags(outcomes)) == [False] + [True] * 199
    assert await actions(db) == ["shared"]
    assert await exact(db) == 1


@on_servers
async def test_two_processes_that_share_on_many_platforms_at_once(db: SqlDatabase, url: str) -> None:
    """The platforms come in opposite orders: rows are locked in one order all the same."""
    names = ("twitter", "email", "facebook", "linkedin")
    async with open_database(url) as other, run_committer(db) as here, run_committer(other) as there:
        commands = [
            work.committer.submit(share(f"user {user}", *order))
            for user in range(25)
            for work, order in ((here, names), (there, names[::-1]))
        ]
        outcomes = await asyncio.gather(*commands)
    assert sorted(result.already_shared for outcome in outcomes for result in outcome) == [False] * 100 + [True] * 100
    assert await exact(db) == 100


async def test_shares_and_withdrawals_at_once(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        commands = [work.committer.submit(command) for _ in range(100) for command in (share(), withdraw())]
        outcomes = await gather_outcomes(commands)
    await assert_each_took_its_turn(db, outcomes)


@on_servers
async def test_shares_here_and_withdrawals_there(db: SqlDatabase, url: str) -> None:
    async with open_database(url) as other, run_committer(db) as here, run_committer(other) as there:
        pairs = ((here, share), (there, withdraw), (there, share), (here, withdraw))
        outcomes = await gather_outcomes(work.committer.submit(command()) for _ in range(50) for work, command in pairs)
    await assert_each_took_its_turn(db, outcomes)


async def assert_each_took_its_turn(db: SqlDatabase, outcomes: list[object]) -> None:
    """Every share that found none live, and every withdrawal that found one, wrote one line and one event."""
    shared = sum(1 for each in outcomes if isinstance(each, list) and not each[0].already_shared)
    withdrawn = sum(1 for each in outcomes if isinstance(each, ShareRecord))
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert {type(each) for each in refused} <= {NotFound}
    assert shared + withdrawn == len(await actions(db))
    assert shared - withdrawn == await exact(db)
    assert shared - withdrawn in (0, 1)


# one among others


async def test_a_rejected_command_does_not_affect_others_in_its_commit(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        commands = [share("anna"), withdraw("nobody"), share("berta")]
        anna, refused, berta = await gather_outcomes(work.committer.submit(command) for command in commands)  # type: ignore[arg-type]
    assert already_shared_flags([anna, berta]) == [False, False]
    assert isinstance(refused, NotFound)
    assert await actions(db) == ["shared", "shared"]


async def test_only_the_command_that_the_database_rejects_fails(db: SqlDatabase) -> None:
    wanted = [f"user {each}" for each in range(40)]
    async with run_committer(db) as work:
        bad = work.committer.submit(share("half a pair \ud800"))
        *good, refused = await gather_outcomes([*(work.committer.submit(share(user)) for user in wanted), bad])
    assert already_shared_flags(good) == [False] * 40
    assert isinstance(refused, DataRejected)
    assert await exact(db) == 40
    assert len(work.published) == 40


async def test_only_the_command_that_raises_fails(db: SqlDatabase) -> None:
    wanted = [f"user {each}" for each in range(10)]
    async with run_committer(db) as work:
        commands = [FailingCommand(), *map(share, wanted), FailingCommand()]
        first, *good, last = await gather_outcomes(work.committer.submit(command) for command in commands)  # type: ignore[arg-type]
    assert [type(each) for each in (first, last)] == [ZeroDivisionError] * 2
    assert already_shared_flags(good) == [False] * 10
    assert await exact(db) == 10


async def test_a_cancelled_caller_does_not_affect_others_in_its_commit(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        waiting = [asyncio.create_task(work.committer.submit(share(f"user {each}"))) for each in range(10)]
        await asyncio.sleep(0)
        for task in waiting[::3]:
            task.cancel()
        outcomes = await gather_outcomes(waiting)
        again = await work.committer.submit(share("another"))
    gone = [isinstance(each, asyncio.CancelledError) for each in outcomes]
    assert gone == [each % 3 == 0 for each in range(10)]
    assert already_shared_flags([*(each for each in outcomes if isinstance(each, list)), again]) == [False] * 7
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()


async def test_a_reshare_writes_an_event_that_counts_nothing(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        await work.committer.submit(share())
        (again,) = await work.committer.submit(share(request=Trigger.FORCE))
    assert (again.already_shared, again.record.attempt_count) == (True, 2)
    assert await actions(db) == ["shared", "reshared"]
    assert await exact(db) == 1


# groups


async def test_all_waiting_commands_share_one_commit(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        await work.committer.submit(share("alone"))
        await asyncio.gather(*(work.committer.submit(share(f"user {each}")) for each in range(200)))
    assert work.meter.sizes == [1, 200]


async def test_a_commit_has_a_largest_size(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        await asyncio.gather(*(work.committer.submit(share(f"user {each}")) for each in range(1_100)))
    assert work.meter.sizes == [500, 500, 100]
    assert await query_int(db, "SELECT count(*) AS n FROM share_records") == 1_100


async def test_exactly_the_written_events_are_published(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        await gather_outcomes(
            work.committer.submit(command) for command in (share(), share(), withdraw("nobody"), share("berta"))
        )
    assert await stored_events(db, work.published) == work.published
    assert len(work.published) == 2
    await count_events(db, work.published)
    assert (await db.counts.stored([VIDEO]))[0].shares == 2


async def stored_events(db: SqlDatabase, events: list[Event]) -> list[Event]:
    async with db.transaction() as tx:
        return await tx.take([event.id for event in events])


# under a key


async def test_duplicates_in_one_commit_get_identical_responses(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        twins = [work.committer.submit_idempotent(share(), idempotent("k")) for _ in range(20)]
        answers = await asyncio.gather(*twins)
        later = await work.committer.submit_idempotent(share(), idempotent("k"))
    assert {*answers, later} == {answers[0]}
    assert answers[0].body.endswith(b" False")
    assert await actions(db) == ["shared"]


@on_servers
async def test_duplicates_to_two_processes_get_identical_responses(db: SqlDatabase, url: str) -> None:
    async with open_database(url) as other, run_committer(db) as here, run_committer(other) as there:
        twins = [
            work.committer.submit_idempotent(share("anna", content=content), idempotent(content.id))
            for content in (ContentRef(type="video", id=f"v{each}") for each in range(20))
            for work in (here, there)
        ]
        answers = await asyncio.gather(*twins)
    assert answers[::2] == answers[1::2]
    assert all(answer.body.endswith(b" False") for answer in answers)
    assert await actions(db) == ["shared"] * 20


async def test_another_request_under_a_key_is_refused_alone(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        submit = work.committer.submit_idempotent
        first, reused, other_caller = await gather_outcomes(
            [
                submit(share("anna"), idempotent("k")),
                submit(share("anna", "email"), idempotent("k", asked="email")),
                submit(share("berta"), idempotent("k", user="berta")),
            ]
        )
    assert isinstance(reused, IdempotencyKeyReused)
    assert first.body.endswith(b" False")
    assert other_caller.body.endswith(b" False")
    assert await db.shares.of_user(VIDEO, "anna") == {"twitter": (await db.shares.of_user(VIDEO, "anna"))["twitter"]}
    assert await actions(db) == ["shared", "shared"]


async def test_a_refusal_is_not_stored_under_its_idempotency_key(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        with pytest.raises(NotFound):
            await work.committer.submit_idempotent(withdraw(), idempotent("k"))
        answer = await work.committer.submit_idempotent(share(), idempotent("k"))
    assert answer.body.endswith(b" False")


async def test_an_answer_that_changes_nothing_is_remembered_too(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        await work.committer.submit(share())
        first = await work.committer.submit_idempotent(share(), idempotent("k"))
        await work.committer.submit(withdraw())
        again = await work.committer.submit_idempotent(share(), idempotent("k"))
    assert first.body.endswith(b" True")
    assert again == first


# the queue


async def test_a_full_queue_refuses_and_reports_that_nothing_was_written(
    db: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "MAX_WAITING", 5)
    async with run_committer(db) as work:
        outcomes = await gather_outcomes(work.committer.submit(share(f"user {each}")) for each in range(7))
        again = await work.committer.submit(share("user 6"))
    assert [isinstance(each, QueueFull) for each in outcomes] == [False] * 5 + [True] * 2
    assert already_shared_flags([again]) == [False]
    assert await exact(db) == 6


async def test_a_drained_committer_answers_waiting_callers_and_refuses_new_ones(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        waiting = [asyncio.create_task(work.committer.submit(share(f"user {each}"))) for each in range(10)]
        await asyncio.sleep(0)
        await work.committer.drain()
        assert already_shared_flags(await asyncio.gather(*waiting)) == [False] * 10
        with pytest.raises(QueueFull):
            await work.committer.submit(share("late"))
    assert await users(db, "user 0", "user 9", "late") == {"user 0", "user 9"}


async def test_draining_an_idle_committer_returns_immediately(db: SqlDatabase) -> None:
    async with run_committer(db) as work:
        await work.committer.drain()
        await work.committer.drain()


async def test_no_caller_is_left_waiting_when_it_is_stopped(db: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped during a commit: the outcome of its commands is unknown, and those waiting behind it were not written."""
    monkeypatch.setattr(committer, "MAX_BATCH", 3)
    async with run_committer(db) as work:
        waiting = [asyncio.create_task(work.committer.submit(share(f"user {each}"))) for each in range(5)]
        await work.meter.begun.wait()
        work.running.cancel()
        outcomes = await gather_outcomes(waiting)
        with pytest.raises(QueueFull):
            await work.committer.submit(share("late"))
    assert [type(each) for each in outcomes] == [Unavailable] * 3 + [QueueFull] * 2
    assert await users(db, "user 3", "user 4", "late") == set()
    assert (await db.proof.verify(None, lambda _: None)).drifted == ()


async def test_concurrent_commands_and_counting_stay_consistent(db: SqlDatabase) -> None:
    async with run_committer(db) as work:

        async def one_user(user: str) -> None:
            await work.committer.submit(share(user))
            await work.committer.submit(withdraw(user))
            await work.committer.submit(share(user, "email"))

        asking = asyncio.gather(*(one_user(f"user {each}") for each in range(30)))
        while not asking.done():
            await count_events(db, work.published)
        await asking
    await count_events(db, work.published)
    assert (await db.events.backlog()).pending == 0
    assert await exact(db) == 30
