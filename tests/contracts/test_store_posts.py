"""Posts on every database: how they are read, what the database refuses, and who may change them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.adapters.databases.driver import Row
from sharetally.adapters.databases.sqlite import SqliteEngine
from sharetally.domain.delivery import Delivery, Done, Outcome
from sharetally.domain.errors import SharetallyError
from sharetally.domain.ids import new_id, new_ids
from sharetally.domain.post import PauseScope, Post, Posted, PostRejected, PostStatus
from sharetally.domain.share import Evidence, Status
from sharetally.flow.delivery.attempt import LeaseLost
from sharetally.flow.posting.message import decode_post, post_delivery
from sharetally.flow.posting.outcomes import Finished, LookLater, NotSent, Undecided
from sharetally.flow.posting.settling import Settling
from sharetally.ports import LockSet, Writes
from sharetally.ports.posts import PostFilter
from tests.contracts.database_rows import (
    AT,
    DATABASES,
    database_url_for,
    execute_sql,
    open_empty_database,
    query_int,
    write_rows,
)
from tests.contracts.delivery_rows import EPOCH, consistent, registered
from tests.contracts.post_rows import post_for, store, waiting_record

pytestmark = pytest.mark.anyio
ANYBODY = PostFilter()
ANALYZE = {"postgresql": "ANALYZE posts", "mysql": "ANALYZE TABLE posts"}
POSTED = Finished(result=Posted(external_id="7", external_url="https://social.example/@anna/7"))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url_for(request, tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[SqlDatabase]:
    async with open_empty_database(url) as made:
        yield made


async def waiting(db: SqlDatabase, **changes: object) -> Post:
    """A pending post with its record and its delivery."""
    stands = waiting_record(**changes)
    post = post_for(stands)
    await store(db, stands, post)
    async with db.transaction() as tx:
        await tx.deliveries.enqueue([post_delivery(post, new_id(), "request-1")])
    return post


async def claimed(db: SqlDatabase, worker: UUID) -> Delivery:
    """The one post that is due."""
    (gate,) = (await db.deliveries.due({"post"}, EPOCH)).gates
    (delivery,) = (await db.deliveries.claim(worker, gate, {"post"}, EPOCH, 10)).deliveries
    return delivery


async def settle(db: SqlDatabase, delivery: Delivery, worker: UUID, outcome: Outcome) -> bool:
    """Store an outcome as a worker does; False if its lease is gone, and with it everything that it wrote."""

    clock = DatabaseClock()
    await clock.measure(db.events)
    try:
        async with db.transaction() as tx:
            await Settling(clock).settle(tx, decode_post(delivery.payload), outcome)
            if not await tx.deliveries.finish(delivery, worker, outcome):
                raise LeaseLost
    except LeaseLost:
        return False
    return True


async def change(db: SqlDatabase, post: Post) -> None:
    await write_rows(db, Writes(changed_posts={post.id: post}))


async def status_of(db: SqlDatabase, post: Post) -> tuple[PostStatus, Status]:
    """The status of a post, and that of its record."""
    found, record = await db.posts.by_id(post.id), await db.shares.by_id(post.record_id)
    assert found is not None
    assert record is not None
    return found.status, record.status


# reading


async def test_a_post_comes_back_as_it_was_stored(db: SqlDatabase) -> None:
    stands = waiting_record(user_id="Änna 🦊")
    full = post_for(
        stands,
        status=PostStatus.FAILED,
        prepared={"commit": "bafy…", "container": "17 🎬"},
        attempted_at=AT + timedelta(microseconds=1),
        scheduled_at=AT + timedelta(days=3),
        cancel_requested=True,
        external_id="at://did:plc:x/app.bsky.feed.post/3k",
        external_url="https://bsky.app/profile/x/post/3k",
        error_code="not-found",
        error_message="nicht gefunden: ✗",
        finished_at=AT + timedelta(hours=1),
    )
    bare = post_for(stands, number=2)
    await store(db, stands, full, bare)
    assert [await db.posts.by_id(each.id) for each in (full, bare)] == [full, bare]
    assert await db.posts.by_id(new_id()) is None
    sent = bare._replace(status=PostStatus.SENDING, prepared={}, attempted_at=AT)
    await change(db, sent)
    assert await db.posts.by_id(bare.id) == sent


async def test_the_newest_post_of_a_record_is_the_one_with_the_highest_number(db: SqlDatabase) -> None:
    one, two, without = (waiting_record(user_id=name) for name in ("anna", "bert", "carla"))
    older, newest = new_ids(2)
    posts = [
        post_for(one, id=newest, number=1, status=PostStatus.FAILED),
        post_for(one, id=older, number=2),  # written by a process whose clock is behind
    ]
    only = post_for(two, status=PostStatus.SUCCESS)
    await store(db, one, *posts)
    await store(db, two, only)
    await store(db, without)
    assert await db.posts.newest([one.id, two.id, without.id, new_id()]) == {one.id: posts[1], two.id: only}
    assert await db.posts.newest([]) == {}
    async with db.transaction() as tx:
        locked = await tx.lock(LockSet(records=frozenset({one.key, two.key}), posts=frozenset({one.key})))
    assert locked.posts == {one.key: posts}, "oldest first, by number"


async def test_a_page_is_newest_first_and_goes_on_where_the_one_before_ended(db: SqlDatabase) -> None:
    users = ["anna", "Anna", "bert", "anna", "bert", "anna"]
    made = list[Post]()
    for number, user in enumerate(users):
        stands = waiting_record(user_id=user, platform=f"p{number}")
        status = PostStatus.FAILED if number in (1, 3, 4) else PostStatus.PENDING
        made.append(post_for(stands, status=status))
        await store(db, stands, made[-1])
    newest_first = made[::-1]

    async def ids(criteria: PostFilter, limit: int = 10, after: UUID | None = None) -> list[UUID]:
        return [each.id for each in await db.posts.page(criteria, limit=limit, after=after)]

    assert await db.posts.page(ANYBODY, limit=10, after=None) == newest_first
    pages, after = list[UUID](), None
    while page := await ids(ANYBODY, 4, after):
        pages, after = pages + page, page[-1]
    assert pages == [each.id for each in newest_first]
    assert await ids(PostFilter(user_id="anna")) == [made[at].id for at in (5, 3, 0)], "users are compared exactly"
    assert await ids(PostFilter(status=PostStatus.FAILED)) == [made[at].id for at in (4, 3, 1)]
    assert await ids(PostFilter(user_id="anna", status=PostStatus.FAILED)) == [made[3].id]
    assert await ids(PostFilter(user_id="anna"), 2, made[5].id) == [made[3].id, made[0].id]
    assert await ids(PostFilter(status=PostStatus.UNKNOWN)) == []


SEARCHES: tuple[tuple[PostFilter, bool, tuple[str, ...]], ...] = (
    (ANYBODY, False, ("posts_pkey", "PRIMARY", "autoindex")),
    (ANYBODY, True, ("posts_pkey", "PRIMARY", "autoindex")),
    (PostFilter(user_id="user 7"), False, ("ix_posts_user",)),
    (PostFilter(user_id="user 7"), True, ("ix_posts_user",)),
    (PostFilter(status=PostStatus.UNKNOWN), False, ("ix_posts_status",)),
    (PostFilter(status=PostStatus.UNKNOWN), True, ("ix_posts_status",)),
    (PostFilter(user_id="user 7", status=PostStatus.UNKNOWN), True, ("ix_posts_user", "ix_posts_status")),
)


async def test_a_page_reads_an_index_in_its_order(db: SqlDatabase, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [waiting_record(user_id=f"user {number % 400}", platform=f"p{number}") for number in range(20_000)]
    posts = [
        post_for(each, status=PostStatus.UNKNOWN if number % 300 == 7 else PostStatus.SUCCESS)
        for number, each in enumerate(records)
    ]
    for start in range(0, len(posts), 5_000):
        await write_rows(db, Writes(new_posts={each.id: each for each in posts[start : start + 5_000]}))
    if statement := ANALYZE.get(url.split(":")[0]):
        await execute_sql(db, statement)
    plans, real = list[str](), Connection.rows
    explain = "EXPLAIN QUERY PLAN" if isinstance(db._engine, SqliteEngine) else "EXPLAIN"

    async def explained(
        self: Connection, statement: sa.Select[*tuple[object, ...]], parameters: Row | None = None
    ) -> list[Row]:
        sql, arguments, _ = self._statements.compiler.compile(statement, parameters or {})
        plans.append("\n".join(str(dict(row)) for row in await self.driver.fetch(f"{explain} {sql}", arguments)))
        return list(await real(self, statement, parameters))

    monkeypatch.setattr(Connection, "rows", explained)
    for criteria, goes_on, indexes in SEARCHES:
        found = await db.posts.page(criteria, limit=20, after=posts[15_000].id if goes_on else None)
        assert found
        plan = plans.pop()
        assert any(index in plan for index in indexes), (criteria, plan)
        for word in ("filesort", "temporary", "Sort", "TEMP B-TREE", "Seq Scan", "'type': 'ALL'"):
            assert word not in plan, (criteria, plan)


# what the database refuses


@pytest.mark.parametrize("status", [PostStatus.PENDING, PostStatus.SENDING, PostStatus.UNKNOWN])
async def test_a_record_has_one_open_post_at_most(db: SqlDatabase, status: PostStatus) -> None:
    stands = waiting_record()
    first, second = post_for(stands, status=status), post_for(stands, number=2)
    await store(db, stands, first)
    with pytest.raises(SharetallyError):
        await write_rows(db, Writes(new_posts={second.id: second}))
    for ended in (PostStatus.SUCCESS, PostStatus.FAILED, PostStatus.CANCELLED):
        await change(db, first._replace(status=ended))
    await write_rows(db, Writes(new_posts={second.id: second}))
    with pytest.raises(SharetallyError):
        await change(db, first)
    assert await db.posts.page(ANYBODY, limit=10, after=None) == [
        second,
        first._replace(status=PostStatus.CANCELLED),
    ]


async def test_two_posts_of_a_record_never_have_the_same_number(db: SqlDatabase) -> None:
    stands = waiting_record()
    await store(db, stands, post_for(stands, status=PostStatus.FAILED))
    twin = post_for(stands)
    with pytest.raises(SharetallyError):
        await write_rows(db, Writes(new_posts={twin.id: twin}))


# who may change them


async def test_an_attempt_is_stored_only_while_its_worker_holds_the_lease(db: SqlDatabase) -> None:
    post = await waiting(db)
    first, second = await registered(db), await registered(db)
    lapsed = await claimed(db, first)

    async def holds(delivery: Delivery, worker: UUID) -> bool:
        async with db.transaction() as tx:
            return await tx.deliveries.holds(delivery, worker)

    assert (await holds(lapsed, first), await holds(lapsed, second)) == (True, False)
    assert await db.deliveries.take_over(first, 0) == 1
    assert not await holds(lapsed, first)
    delivery = await claimed(db, second)
    assert (await holds(delivery, second), await holds(lapsed, second)) == (True, False), "an attempt has its own lease"
    assert await settle(db, delivery, second, Done())
    assert not await holds(delivery, second)
    assert (await status_of(db, post))[0] is PostStatus.PENDING


async def test_the_outcome_of_a_lost_lease_changes_nothing(db: SqlDatabase) -> None:
    post = await waiting(db)
    worker = await registered(db)
    delivery = await claimed(db, worker)
    await change(db, post._replace(status=PostStatus.SENDING, attempted_at=AT))
    await db.deliveries.take_over(worker, 0)
    assert not await settle(db, delivery, worker, POSTED)
    assert await status_of(db, post) == (PostStatus.SENDING, Status.PENDING)
    assert await query_int(db, "SELECT count(*) FROM events") == 0


async def test_a_late_outcome_of_an_older_attempt_changes_nothing(db: SqlDatabase) -> None:
    post = await waiting(db)
    worker = await registered(db)
    delivery = await claimed(db, worker)
    failed = post._replace(status=PostStatus.FAILED, error_code="not-found")
    await change(db, failed)
    newer = post._replace(id=new_id(), number=2)
    await write_rows(db, Writes(new_posts={newer.id: newer}))
    for outcome in (LookLater(reason="no answer"), Undecided(), NotSent(reason="later"), POSTED):
        clock = DatabaseClock()
        await clock.measure(db.events)
        async with db.transaction() as tx:
            await Settling(clock).settle(tx, decode_post(delivery.payload), outcome)
        assert await db.posts.newest([post.record_id]) == {post.record_id: newer}
        assert await status_of(db, failed) == (PostStatus.FAILED, Status.PENDING)
    assert await settle(db, delivery, worker, POSTED)
    assert await status_of(db, failed) == (PostStatus.FAILED, Status.PENDING)
    assert await consistent(db)


async def test_success_moves_post_record_and_count_in_one_transaction(db: SqlDatabase) -> None:
    post = await waiting(db)
    worker = await registered(db)
    delivery = await claimed(db, worker)
    await change(db, post._replace(status=PostStatus.SENDING, attempted_at=AT))
    assert await settle(db, delivery, worker, POSTED)
    assert await status_of(db, post) == (PostStatus.SUCCESS, Status.SUCCESS)
    found = await db.shares.by_id(post.record_id)
    assert found is not None
    assert (found.evidence, found.external_id) == (Evidence.POSTED, "7")
    assert await query_int(db, "SELECT count(*) FROM events") == 1
    assert await query_int(db, "SELECT count(*) FROM deliveries") == 0


async def test_an_account_that_has_to_pause_is_not_claimed_before_the_pause_ends(db: SqlDatabase) -> None:
    await waiting(db)
    worker = await registered(db)
    delivery = await claimed(db, worker)
    until = await db.events.now() + timedelta(hours=1)
    paused = NotSent(reason="too many posts", at=until, pause=PauseScope.ACCOUNT)
    assert await settle(db, delivery, worker, paused)
    async with db.transaction() as tx:  # another post from the same account
        again = post_delivery(post_for(waiting_record(user_id="bert"), account_id=UUID(delivery.target)), new_id(), "")
        await tx.deliveries.enqueue([again])
    assert (await db.deliveries.due({"post"}, EPOCH)).gates == []
    assert await consistent(db)


async def test_rows_are_locked_in_one_order(db: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions that lock the same rows in different orders would wait for each other."""
    post = await waiting(db)
    worker = await registered(db)
    delivery = await claimed(db, worker)
    await change(db, post._replace(status=PostStatus.SENDING, attempted_at=AT, cancel_requested=True))
    locked, real = list[str](), Connection.select

    async def select(self: Connection, table: sa.Table, *how: object, lock: bool = False, **more: object) -> list[Row]:
        if lock:
            locked.append(table.name)
        return list(await real(self, table, *how, lock=lock, **more))  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "select", select)
    assert await settle(db, delivery, worker, POSTED)
    touched = [name for name in dict.fromkeys(locked) if name not in ("share_links", "adjustments")]
    assert touched == ["share_records", "delivery_targets", "deliveries"], locked
    first_of_delivery = locked.index("delivery_targets")
    assert "share_records" not in locked[first_of_delivery:], locked


async def test_a_refused_post_fails_with_its_reason(db: SqlDatabase) -> None:
    post = await waiting(db)
    worker = await registered(db)
    delivery = await claimed(db, worker)
    refused = Finished(result=PostRejected(code="forbidden", message="the platform refuses links ✗"))
    assert await settle(db, delivery, worker, refused)
    assert await status_of(db, post) == (PostStatus.FAILED, Status.FAILED)
    found = await db.posts.by_id(post.id)
    assert found is not None
    assert (found.error_code, found.error_message) == ("forbidden", "the platform refuses links ✗")
