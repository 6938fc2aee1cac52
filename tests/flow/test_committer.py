"""The group commit over real databases: exactly one of many finds nothing there, and nobody pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sharetally.adapters.databases.store import SqlDatabase
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import DataRefused, IdempotencyKeyReused, NotFound, QueueFull, Unavailable
from sharetally.domain.event import Event
from sharetally.domain.share import Request, ShareRecord
from sharetally.flow import committer
from sharetally.ports import AuditFilter
from tests.contracts.database_rows import (
    DATABASES,
    SERVERS,
    count,
    emptied,
    number,
    opened,
    shared_url,
)
from tests.flow.committing import VIDEO, Broken, already, at_work, keyed, settled, share, withdraw

pytestmark = pytest.mark.anyio
on_servers = pytest.mark.parametrize("url", SERVERS, indirect=True)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return shared_url(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with emptied(url) as made:
        yield made


async def actions(db: SqlDatabase) -> list[str]:
    """What the audit says, oldest first."""
    return [line.action for line in await db.audit(AuditFilter(), limit=1_000, after=None)][::-1]


async def users(db: SqlDatabase, *named: str) -> set[str]:
    """Who of these has a record of VIDEO."""
    return {user for user in named if await db.records_of(VIDEO, user)}


async def exact(db: SqlDatabase) -> int:
    """The shares of VIDEO, counted or not; nothing may be off."""
    assert (await db.verify(None, lambda _: None)).drifted == ()
    return (await db.consistent([VIDEO]))[0].shares


# one of many


async def test_of_many_identical_requests_one_finds_nothing_there(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        outcomes = await asyncio.gather(*(work.committer.submit(share()) for _ in range(200)))
    assert sorted(already(outcomes)) == [False] + [True] * 199
    assert len({outcome[0].record.id for outcome in outcomes}) == 1
    assert await actions(db) == ["shared"]
    assert await exact(db) == 1
    assert len(work.published) == 1


@on_servers
async def test_of_many_identical_requests_to_two_processes_one_finds_nothing_there(db: SqlDatabase, url: str) -> None:
    async with opened(url) as other, at_work(db) as here, at_work(other) as there:
        wishes = [work.committer.submit(share()) for _ in range(100) for work in (here, there)]
        outcomes = await asyncio.gather(*wishes)
    assert sorted(already(outcomes)) == [False] + [True] * 199
    assert await actions(db) == ["shared"]
    assert await exact(db) == 1


@on_servers
async def test_two_processes_that_share_on_many_platforms_at_once(db: SqlDatabase, url: str) -> None:
    """The platforms come in opposite orders: rows are locked in one order all the same."""
    names = ("twitter", "email", "facebook", "linkedin")
    async with opened(url) as other, at_work(db) as here, at_work(other) as there:
        wishes = [
            work.committer.submit(share(f"user {user}", *order))
            for user in range(25)
            for work, order in ((here, names), (there, names[::-1]))
        ]
        outcomes = await asyncio.gather(*wishes)
    assert sorted(result.already_shared for outcome in outcomes for result in outcome) == [False] * 100 + [True] * 100
    assert await exact(db) == 100


async def test_shares_and_withdrawals_at_once(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        wishes = [work.committer.submit(wish) for _ in range(100) for wish in (share(), withdraw())]
        outcomes = await settled(wishes)
    await assert_each_took_its_turn(db, outcomes)


@on_servers
async def test_shares_here_and_withdrawals_there(db: SqlDatabase, url: str) -> None:
    async with opened(url) as other, at_work(db) as here, at_work(other) as there:
        pairs = ((here, share), (there, withdraw), (there, share), (here, withdraw))
        outcomes = await settled(work.committer.submit(wish()) for _ in range(50) for work, wish in pairs)
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


async def test_a_refused_wish_does_not_touch_its_neighbours(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        wishes = [share("anna"), withdraw("nobody"), share("berta")]
        anna, refused, berta = await settled(work.committer.submit(wish) for wish in wishes)  # type: ignore[arg-type]
    assert already([anna, berta]) == [False, False]
    assert isinstance(refused, NotFound)
    assert await actions(db) == ["shared", "shared"]


async def test_a_wish_that_the_database_refuses_is_ejected_alone(db: SqlDatabase) -> None:
    wanted = [f"user {each}" for each in range(40)]
    async with at_work(db) as work:
        bad = work.committer.submit(share("half a pair \ud800"))
        *good, refused = await settled([*(work.committer.submit(share(user)) for user in wanted), bad])
    assert already(good) == [False] * 40
    assert isinstance(refused, DataRefused)
    assert await exact(db) == 40
    assert len(work.published) == 40


async def test_a_wish_with_a_fault_is_ejected_alone(db: SqlDatabase) -> None:
    wanted = [f"user {each}" for each in range(10)]
    async with at_work(db) as work:
        wishes = [Broken(), *map(share, wanted), Broken()]
        first, *good, last = await settled(work.committer.submit(wish) for wish in wishes)  # type: ignore[arg-type]
    assert [type(each) for each in (first, last)] == [ZeroDivisionError] * 2
    assert already(good) == [False] * 10
    assert await exact(db) == 10


async def test_a_caller_that_is_gone_does_not_take_its_neighbours_along(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        waiting = [asyncio.create_task(work.committer.submit(share(f"user {each}"))) for each in range(10)]
        await asyncio.sleep(0)
        for task in waiting[::3]:
            task.cancel()
        outcomes = await settled(waiting)
        again = await work.committer.submit(share("another"))
    gone = [isinstance(each, asyncio.CancelledError) for each in outcomes]
    assert gone == [each % 3 == 0 for each in range(10)]
    assert already([*(each for each in outcomes if isinstance(each, list)), again]) == [False] * 7
    assert (await db.verify(None, lambda _: None)).drifted == ()


async def test_a_reshare_is_told_and_counts_nothing(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        await work.committer.submit(share())
        (again,) = await work.committer.submit(share(request=Request.FORCE))
    assert (again.already_shared, again.record.attempt_count) == (True, 2)
    assert await actions(db) == ["shared", "reshared"]
    assert await exact(db) == 1


# groups


async def test_all_that_waits_becomes_one_commit(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        await work.committer.submit(share("alone"))
        await asyncio.gather(*(work.committer.submit(share(f"user {each}")) for each in range(200)))
    assert work.meter.sizes == [1, 200]


async def test_a_commit_has_a_largest_size(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        await asyncio.gather(*(work.committer.submit(share(f"user {each}")) for each in range(1_100)))
    assert work.meter.sizes == [500, 500, 100]
    assert await number(db, "SELECT count(*) AS n FROM share_records") == 1_100


async def test_what_is_published_is_what_was_written(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        await settled(work.committer.submit(wish) for wish in (share(), share(), withdraw("nobody"), share("berta")))
    assert await stored_events(db, work.published) == work.published
    assert len(work.published) == 2
    await count(db, work.published)
    assert (await db.counts([VIDEO]))[0].shares == 2


async def stored_events(db: SqlDatabase, events: list[Event]) -> list[Event]:
    async with db.transaction() as tx:
        return await tx.take([event.id for event in events])


# under a key


async def test_twins_in_one_commit_get_the_same_bytes(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        twins = [work.committer.submit_keyed(share(), keyed("k")) for _ in range(20)]
        answers = await asyncio.gather(*twins)
        later = await work.committer.submit_keyed(share(), keyed("k"))
    assert {*answers, later} == {answers[0]}
    assert answers[0].body.endswith(b" False")
    assert await actions(db) == ["shared"]


@on_servers
async def test_twins_to_two_processes_get_the_same_bytes(db: SqlDatabase, url: str) -> None:
    async with opened(url) as other, at_work(db) as here, at_work(other) as there:
        twins = [
            work.committer.submit_keyed(share("anna", content=content), keyed(content.id))
            for content in (ContentRef(type="video", id=f"v{each}") for each in range(20))
            for work in (here, there)
        ]
        answers = await asyncio.gather(*twins)
    assert answers[::2] == answers[1::2]
    assert all(answer.body.endswith(b" False") for answer in answers)
    assert await actions(db) == ["shared"] * 20


async def test_another_request_under_a_key_is_refused_alone(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        submit = work.committer.submit_keyed
        first, reused, other_caller = await settled(
            [
                submit(share("anna"), keyed("k")),
                submit(share("anna", "email"), keyed("k", asked="email")),
                submit(share("berta"), keyed("k", user="berta")),
            ]
        )
    assert isinstance(reused, IdempotencyKeyReused)
    assert first.body.endswith(b" False")
    assert other_caller.body.endswith(b" False")
    assert await db.records_of(VIDEO, "anna") == {"twitter": (await db.records_of(VIDEO, "anna"))["twitter"]}
    assert await actions(db) == ["shared", "shared"]


async def test_what_was_refused_under_a_key_is_not_remembered(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        with pytest.raises(NotFound):
            await work.committer.submit_keyed(withdraw(), keyed("k"))
        answer = await work.committer.submit_keyed(share(), keyed("k"))
    assert answer.body.endswith(b" False")


async def test_an_answer_that_changes_nothing_is_remembered_too(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        await work.committer.submit(share())
        first = await work.committer.submit_keyed(share(), keyed("k"))
        await work.committer.submit(withdraw())
        again = await work.committer.submit_keyed(share(), keyed("k"))
    assert first.body.endswith(b" True")
    assert again == first


# the queue


async def test_a_full_queue_takes_no_more_and_says_that_nothing_was_written(
    db: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "CAPACITY", 5)
    async with at_work(db) as work:
        outcomes = await settled(work.committer.submit(share(f"user {each}")) for each in range(7))
        again = await work.committer.submit(share("user 6"))
    assert [isinstance(each, QueueFull) for each in outcomes] == [False] * 5 + [True] * 2
    assert already([again]) == [False]
    assert await exact(db) == 6


async def test_a_drained_committer_answers_whoever_waited_and_takes_no_more(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        waiting = [asyncio.create_task(work.committer.submit(share(f"user {each}"))) for each in range(10)]
        await asyncio.sleep(0)
        await work.committer.drain()
        assert already(await asyncio.gather(*waiting)) == [False] * 10
        with pytest.raises(QueueFull):
            await work.committer.submit(share("late"))
    assert await users(db, "user 0", "user 9", "late") == {"user 0", "user 9"}


async def test_draining_what_is_idle_returns_at_once(db: SqlDatabase) -> None:
    async with at_work(db) as work:
        await work.committer.drain()
        await work.committer.drain()


async def test_nobody_is_left_waiting_when_it_is_stopped(db: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of a commit: its wishes are in doubt, those behind it were not written."""
    monkeypatch.setattr(committer, "BATCH", 3)
    async with at_work(db) as work:
        waiting = [asyncio.create_task(work.committer.submit(share(f"user {each}"))) for each in range(5)]
        await work.meter.begun.wait()
        work.running.cancel()
        outcomes = await settled(waiting)
        with pytest.raises(QueueFull):
            await work.committer.submit(share("late"))
    assert [type(each) for each in outcomes] == [Unavailable] * 3 + [QueueFull] * 2
    assert await users(db, "user 3", "user 4", "late") == set()
    assert (await db.verify(None, lambda _: None)).drifted == ()


async def test_wishes_and_counting_at_once_end_in_order(db: SqlDatabase) -> None:
    async with at_work(db) as work:

        async def one_user(user: str) -> None:
            await work.committer.submit(share(user))
            await work.committer.submit(withdraw(user))
            await work.committer.submit(share(user, "email"))

        asking = asyncio.gather(*(one_user(f"user {each}") for each in range(30)))
        while not asking.done():
            await count(db, work.published)
        await asking
    await count(db, work.published)
    assert (await db.backlog()).pending == 0
    assert await exact(db) == 30
