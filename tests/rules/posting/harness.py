"""The service with three platforms, called from a test that is not async; time passes and workers work on request."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import patch
from uuid import UUID

import uvloop

from sharetally.adapters.databases.connection import Connection
from sharetally.adapters.databases.stores import deliveries, delivery_lists, delivery_rows, delivery_writes
from sharetally.domain.account import AccountStatus, Tokens
from sharetally.domain.caller import Caller
from sharetally.domain.content import ContentRef
from sharetally.domain.errors import SharetallyError
from sharetally.domain.ids import new_id
from sharetally.domain.post import Post
from sharetally.domain.share import ShareRecord
from sharetally.flow.accounts.access import AccountAccess
from sharetally.flow.accounts.connecting import Connecting
from sharetally.flow.accounts.refreshing import AccountTokens, Refresher
from sharetally.flow.committer import Committer
from sharetally.flow.counting.announce import Announcer
from sharetally.flow.counting.count import Count
from sharetally.flow.counting.reactions import Reactions
from sharetally.flow.delivery.attempt import Attempts
from sharetally.flow.delivery.claiming import EPOCH
from sharetally.flow.hooks import Hooks
from sharetally.flow.platforms import Platforms
from sharetally.flow.posting.deciding import Posts
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.posting.message import KIND, decode_post
from sharetally.flow.posting.requesting import PostRequests
from sharetally.flow.sharing import ShareRequest, Sharing
from sharetally.flow.urls import UrlPolicy
from sharetally.ports.posts import PostFilter
from tests.contracts.database_rows import open_database
from tests.flow.account_harness import OLD_KEY, PUBLIC_URL, MovedClock, sealing_with
from tests.flow.harness import RecordingMeter, queries_of_counts
from tests.rules.posting.attempt import CURRENT, RunningAttempt, pass_point
from tests.rules.posting.fake_timelines import FakeGrants, FakeTimelines

T = TypeVar("T")
# deduplicates, can be looked up
PLATFORMS: Mapping[str, tuple[bool, bool]] = {
    "bluesky": (True, True),
    "twitter": (False, True),
    "linkedin": (False, False),
}
TRACKED = "whatsapp"  # nothing is posted there


class StoppingAccess(AccountAccess):
    """Gives out tokens; an attempt that has stored that it begins can be stopped here, before its first byte."""

    async def access(self, account_id: UUID, *, rejected: Tokens | None = None) -> AccountTokens:
        """Pass the point `stored` when tokens are requested after `prepare` or `look`."""
        if CURRENT.get().passed in ("prepared", "looked"):
            await pass_point("stored")
        return await super().access(account_id, rejected=rejected)


class PostingHarness:
    """The service as one user meets it, and what its workers do."""

    def __init__(self, template: Path, folder: Path) -> None:
        """Open a copy of the template, which is a migrated database without rows."""
        self._open = ExitStack()
        self.clock = clock = self._open.enter_context(FrozenTime())
        self._runner = self._open.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        path = Path(shutil.copy(template, folder / f"{new_id()}.db"))
        self._open.callback(path.unlink)
        opened = open_database(f"sqlite:///{path}")
        self._database = database = self.run(opened.__aenter__())
        self._open.callback(lambda: self.run(opened.__aexit__(None, None, None)))
        self.content = ContentRef(type="video", id="abc")
        self.user = Caller(user_id="anna", actor="anna", scopes=frozenset({"shares"}))
        self.timelines = {
            platform: FakeTimelines(
                grants=FakeGrants(now=clock.now, platform=platform),
                now=clock.now,
                pass_point=pass_point,
                deduplicates=deduplicates,
                can_be_looked_up=can_be_looked_up,
            )
            for platform, (deduplicates, can_be_looked_up) in PLATFORMS.items()
        }
        connectors = {platform: each.grants for platform, each in self.timelines.items()}
        sealing, meter = sealing_with(OLD_KEY), RecordingMeter()
        self._committer = Committer(
            ledger=database, clock=clock, hooks=Hooks(), meter=meter, on_committed=lambda _: None, nudge=lambda: None
        )
        urls = UrlPolicy(
            public_url=PUBLIC_URL, content_urls={"video": "https://shop.example/{contentId}"}, link_hosts=()
        )
        self._connecting = Connecting(
            store=database.accounts,
            sealing=sealing,
            connectors=connectors,
            clock=clock,
            public_url=PUBLIC_URL,
            canonical=str.lower,
        )
        named = cast(Any, dict.fromkeys((*PLATFORMS, TRACKED)))
        self._sharing = Sharing(
            committer=self._committer,
            queries=queries_of_counts(database.counts),
            shares=database.shares,
            hooks=Hooks(),
            platforms=Platforms(allowed=named, device={}, canonical=str.lower),
            urls=urls,
            meter=meter,
            posts=database.posts,
            requests=PostRequests(accounts=database.accounts, publishers=self.timelines, urls=urls, clock=clock),
        )
        self._posts = Posts(store=database.posts, shares=database.shares, committer=self._committer)
        self._handler = PostHandler(
            ledger=database,
            posts=database.posts,
            deliveries=database.deliveries,
            clock=clock,
            access=StoppingAccess(
                Refresher(store=database.accounts, sealing=sealing, connectors=connectors, clock=clock), clock=clock
            ),
            publishers=self.timelines,
        )
        self._attempts = Attempts(ledger=database, clock=clock, meter=meter, on_committed=lambda _: None)
        self.running: list[RunningAttempt] = []
        self._task = self.run(_started(self._committer.run()))

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Let this be done."""
        return self._runner.run(step)

    def close(self) -> None:
        """End everything that was begun."""

        async def stop() -> None:
            tasks = [task for task in (self._task, *(each.task for each in self.running)) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(stop())
        self._open.close()

    # the user

    def connect(self, platform: str) -> None:
        """Connect an account, or the same one again."""

        async def connect() -> None:
            begun = await self._connecting.begin(platform, "", self.user, request_id="connect")
            sent = self.timelines[platform].grants.agree(begun.url)
            await self._connecting.finish(platform, sent, begun.browser, request_id="connect")

        self.run(connect())

    def request(self, step: Coroutine[Any, Any, Any]) -> str:
        """What the service answers: nothing if it does it, otherwise the code of its refusal."""

        async def answered() -> str:
            try:
                await step
            except SharetallyError as error:
                return error.code
            return ""

        return self.run(answered())

    def share(self, platform: str, *, post: bool, force: bool, at: datetime | None = None) -> str:
        """Share, or say that one has shared."""
        wanted = ShareRequest(
            content=self.content,
            platforms=[platform],
            mode="server_post" if post else "track_only",
            force=force,
            scheduled_at=at,
        )
        return self.request(self._sharing.share(wanted, self.user, request_id="share"))

    def withdraw(self, platform: str, *, delete_post: bool) -> str:
        """Take it back."""
        return self.request(
            self._sharing.withdraw(self.content, platform, self.user, request_id="withdraw", delete_post=delete_post)
        )

    def retry(self, platform: str) -> str:
        """Try it again."""
        return self.request(self._sharing.retry(self.content, platform, self.user, request_id="retry"))

    def decide(self, record: UUID, *, posted: bool) -> str:
        """Say whether it is there."""
        return self.request(self._posts.decide(record, self.user, posted=posted, url=None, request_id="decide"))

    # what is stored

    def records(self) -> Mapping[str, ShareRecord]:
        """The user's records by platform."""
        return self.run(self._database.shares.of_user(self.content, self.user.user_id))

    def posts(self) -> Sequence[Post]:
        """The user's posts, newest first."""
        return self.run(self._database.posts.page(PostFilter(user_id=self.user.user_id), limit=1_000, after=None))

    def counted(self) -> tuple[int, int]:
        """How much is counted or waits to be, and by how much any cell differs from the ledger."""
        cells, _ = self.run(self._database.proof.cells(self.content))
        drift = sum(abs(each.drift) for each in cells)
        return next((each.counted + each.pending for each in cells if each.dimension == "total"), 0), drift

    def can_post(self, platform: str) -> bool:
        """Whether there is an account there whose permission has not ended, as far as the service knows."""
        accounts = self.run(self._database.accounts.of_user(self.user.user_id))
        return any(each.platform == platform and each.status is AccountStatus.CONNECTED for each in accounts)

    def waiting(self) -> int:
        """How many deliveries are not finished."""
        return sum(each.number for each in self.run(self._database.deliveries.backlog()).counts)

    def dead(self) -> int:
        """How many posts wait for an operator."""
        return len(self.run(self._database.deliveries.stuck(limit=10)))

    # the workers

    def work(self, stop_at: str = "") -> bool:
        """A worker takes what is due and attempts it, up to this point; False if nothing is due."""

        async def work() -> bool:
            worker, store = new_id(), self._database.deliveries
            await store.register(worker, "test")
            for gate in (await store.due({KIND}, EPOCH)).gates:
                for delivery in (await store.claim(worker, gate, {KIND}, EPOCH, 1)).deliveries:
                    about = decode_post(delivery.payload)
                    assert about.postId is not None
                    attempt = RunningAttempt(
                        worker=worker,
                        delivery=delivery,
                        post=about.postId,
                        platform=about.platform,
                        stop_at=stop_at,
                    )
                    self.running.append(attempt)
                    attempt.task = asyncio.create_task(self._run(attempt))
                    await _ended_or_stopped(attempt)
                    self._forget_ended()
                    return True
            await store.leave(worker)
            return False

        return self.run(work())

    async def _run(self, attempt: RunningAttempt) -> None:
        CURRENT.set(attempt)
        await self._attempts.run(self._handler, attempt.delivery, attempt)
        await self._database.deliveries.leave(attempt.worker)

    def _forget_ended(self) -> None:
        for attempt in [each for each in self.running if each.task is not None and each.task.done()]:
            self.running.remove(attempt)
            assert attempt.task is not None
            attempt.task.result()

    def go_on(self, attempt: RunningAttempt) -> None:
        """Let an attempt that was stopped come to its end."""

        async def go_on() -> None:
            attempt.go.set()
            assert attempt.task is not None
            await attempt.task
            self._forget_ended()

        self.run(go_on())

    def lose_lease(self, attempt: RunningAttempt) -> None:
        """The others have not heard of this worker for a minute, and it notices when it goes on."""
        attempt.stale = True
        self.run(self._database.deliveries.take_over(attempt.worker, 0))

    def kill(self, attempt: RunningAttempt) -> None:
        """A worker ends where it is, and the others take over."""

        async def kill() -> None:
            assert attempt.task is not None
            attempt.task.cancel()
            await asyncio.gather(attempt.task, return_exceptions=True)
            self.running.remove(attempt)

        self.run(kill())
        self.lose_lease(attempt)

    def count(self) -> None:
        """Count everything that waits to be counted."""

        async def count() -> None:
            db = self._database
            counter = Count(
                ledger=db,
                events=db.events,
                announcer=Announcer(counts=db.counts, cache=None),
                reactions=Reactions([], meter=RecordingMeter()),
                on_follow_up=lambda _: None,
            )
            await counter.handle(await db.events.claim(sorted(counter.queue.jobs), None, 1_000))

        self.run(count())


async def _started(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)


async def _ended_or_stopped(attempt: RunningAttempt) -> None:
    stopped = asyncio.create_task(attempt.stopped.wait())
    assert attempt.task is not None
    await asyncio.wait({attempt.task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()


class FrozenTime:
    """The clock of this process and that of the database, which move only when a test moves them."""

    def __init__(self) -> None:
        self.clock = MovedClock()
        self._patches = ExitStack()

    def __enter__(self) -> MovedClock:
        async def now_of(_: Connection) -> datetime:
            return self.clock.now()

        for module in (delivery_rows, delivery_writes, deliveries, delivery_lists):
            self._patches.enter_context(patch.object(module, "now_of", now_of))
        return self.clock

    def __exit__(self, *_: object) -> None:
        self._patches.close()
