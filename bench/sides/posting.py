"""One worker that posts for many accounts to a fake platform in the same process: what a post costs us.

Everything else is as in production: for each call the account is read and its tokens are opened, the attempt is
committed before the post leaves, and the outcome is stored together with the record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from bench.harness import BenchHarness
from sharetally.adapters.brokers.memory import MemoryBroker
from sharetally.adapters.clock import DatabaseClock
from sharetally.adapters.databases import tables
from sharetally.adapters.databases.database import SqlDatabase
from sharetally.domain.account import Account, Tokens
from sharetally.domain.content import ContentRef
from sharetally.domain.ids import new_id, to_base62
from sharetally.domain.post import Draft, NotThere, Post, Posted, PostStatus
from sharetally.domain.share import Evidence, RecordKey, ShareRecord, Status
from sharetally.domain.spending import FREE, Costs
from sharetally.domain.text_rule import TextRule
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.refreshing import Refresher
from sharetally.flow.delivery.attempt import Attempts
from sharetally.flow.delivery.loop import DeliveryLoop
from sharetally.flow.delivery.nudge import QUEUE
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.posting.message import post_delivery
from sharetally.ports import Writes
from tests.contracts.database_rows import open_database
from tests.flow.account_harness import OLD_KEY, sealing_with
from tests.flow.harness import RecordingMeter

PLATFORM = "mastodon"
REPLY_SECONDS = 0.3
WARM = 2.0  # seconds
A_TRANSACTION = 500


class FakeSlowPlatform:
    """Implements `Publisher`: accepts every post, 300 ms after it was sent."""

    platform = PLATFORM
    deduplicates = True
    deduplicates_for: timedelta | None = None
    api_version: str | None = None
    text_rule: TextRule | None = None

    def costs(self, draft: Draft) -> Costs:
        """Posts are free."""
        return FREE

    def text_fault(self, text: str, url: str) -> str | None:
        """Everything fits."""
        return None

    def warnings(self, text: str) -> Sequence[str]:
        """Nothing to say."""
        return ()

    async def prepare(self, account: Account, tokens: Tokens, draft: Draft) -> Mapping[str, str]:
        """Nothing has to be known beforehand."""
        return {}

    async def publish(self, account: Account, tokens: Tokens, draft: Draft) -> Posted:
        """Accept the post."""
        await asyncio.sleep(REPLY_SECONDS)
        return Posted(external_id=str(draft.id), external_url=None)

    async def look(self, account: Account, tokens: Tokens, draft: Draft) -> NotThere:
        """Nobody has to look: no reply is lost."""
        return NotThere()

    async def delete(self, account: Account, tokens: Tokens, external_id: str) -> None:
        """Nothing is withdrawn."""


class Pace(NamedTuple):
    """Posts per second, the processor time of the worker for each, and attempts that failed on our side."""

    rate: float
    cpu_ms: float
    failed: int
    reason: str


@dataclass(kw_only=True)
class PostingSide:
    """A database with accounts and their posts."""

    db: SqlDatabase
    clock: DatabaseClock
    accounts: list[dict[str, Any]] = field(default_factory=list)

    async def connect(self, number: int) -> None:
        """Connect so many accounts, each of its own user."""
        self.accounts = [_account_row(self.clock.now()) for _ in range(number)]
        async with self.db._engine.write_transaction() as connection:
            await connection.insert(connection.batch(tables.accounts, self.accounts))

    async def request(self, posts_each: int) -> None:
        """Request so many posts from each account."""
        posts = [_post(row["id"], row["user_id"]) for _ in range(posts_each) for row in self.accounts]
        for start in range(0, len(posts), A_TRANSACTION):
            part = posts[start : start + A_TRANSACTION]
            async with self.db.transaction() as tx:
                records = {post.key: _record(post) for post in part}
                await tx.write(Writes(new_records=records, new_posts={post.id: post for post in part}))
                await tx.deliveries.enqueue([post_delivery(post, new_id(), "bench") for post in part])

    async def pace(self, slots: int, seconds: float) -> Pace:
        """Let one worker post for some seconds. Only posts whose outcome is stored count."""
        stop, loop = asyncio.Event(), await self._loop(slots)
        failed_before, _ = await self._failed()
        worker = asyncio.create_task(loop.run(stop))
        try:
            await asyncio.sleep(WARM)
            before, cpu, began = await self._posted(), time.process_time(), time.monotonic()
            await asyncio.sleep(seconds)
            posted, cpu, took = await self._posted() - before, time.process_time() - cpu, time.monotonic() - began
        finally:
            stop.set()
            await worker
        failed, reason = await self._failed()
        return Pace(posted / took, cpu / posted * 1000, failed - failed_before, reason)

    async def _failed(self) -> tuple[int, str]:
        """How many deliveries needed more than one attempt so far, and why the last of those that still wait did."""
        d, log = tables.deliveries, tables.delivery_log
        repeated = sa.select(sa.func.count().label("n")).where(log.c.attempts > 1)
        async with self.db._engine.read_connection() as connection:
            ended = (await connection.rows(repeated))[0]["n"]
            waiting = await connection.rows(sa.select(d.c.last_error).where(d.c.attempts > 0))
        return ended + len(waiting), (waiting[-1]["last_error"] or "not finished") if waiting else ""

    async def _posted(self) -> int:
        p = tables.posts
        done = sa.select(sa.func.count().label("n")).where(p.c.status == PostStatus.SUCCESS.value)
        async with self.db._engine.read_connection() as connection:
            return int((await connection.rows(done))[0]["n"])

    async def _loop(self, slots: int) -> DeliveryLoop:
        db, clock, meter, broker = self.db, self.clock, RecordingMeter(), MemoryBroker()
        await broker.open([QUEUE])
        sealing = sealing_with(OLD_KEY)
        refresher = Refresher(store=db.accounts, sealing=sealing, connectors={}, clock=clock)
        handler = PostHandler(
            ledger=db,
            posts=db.posts,
            deliveries=db.deliveries,
            clock=clock,
            access=AccountAccess(refresher, clock=clock),
            publishers={PLATFORM: FakeSlowPlatform()},
        )
        attempts = Attempts(ledger=db, clock=clock, meter=meter, on_committed=lambda _: None)
        return DeliveryLoop(store=db.deliveries, broker=broker, attempts=attempts, handlers=[handler], slots=slots)


@asynccontextmanager
async def open_posting(harness: BenchHarness, kind: str) -> AsyncIterator[PostingSide]:
    """An empty, migrated database: `postgresql`, or `sqlite`."""
    file = f"sqlite:///{harness.folder('sqlite')}/sharetally.db"
    with harness.postgresql_database() if kind == "postgresql" else nullcontext(file) as url:
        await asyncio.to_thread(harness.migrate, url)
        async with open_database(url) as db:
            clock = DatabaseClock()
            await clock.measure(db.events)
            yield PostingSide(db=db, clock=clock)


def _account_row(now: datetime) -> dict[str, Any]:
    made = new_id()
    tokens, user = Tokens(access=f"token of {made}"), f"user-{made}"
    return {
        "id": made, "user_id": user, "platform": PLATFORM, "external_id": str(made), "server": "", "handle": user,
        "is_default": 1, "status": "connected", "revision": 1, "created_at": now, "updated_at": now,
        "sealed": sealing_with(OLD_KEY).seal_tokens(tokens, user_id=user, platform=PLATFORM, account_id=made),
    }  # fmt: skip


def _record(post: Post) -> ShareRecord:
    return ShareRecord(
        id=post.record_id,
        content=ContentRef(type=post.key.content_type, id=post.key.content_id),
        platform=PLATFORM,
        user_id=post.key.user_id,
        status=Status.PENDING,
        evidence=Evidence.POSTED,
        attempt_count=1,
        first_shared_at=None,
        last_shared_at=None,
    )


def _post(account: UUID, user: str) -> Post:
    made = new_id()
    url = f"https://shares.example/s/{to_base62(made)}"
    return Post(
        id=made,
        record_id=new_id(),
        key=RecordKey(content_type="video", content_id=str(made), platform=PLATFORM, user_id=user),
        account_id=account,
        number=1,
        status=PostStatus.PENDING,
        text=f"A video {url}",
        url=url,
        created_at=datetime.now(UTC),
        request_id="bench",
    )
