"""Live counts: one upstream subscription for each content that anybody here follows, however many follow it.

    channel -> hear -> topic -> followers

A channel that carries no counts says what moved: that is read, ten times a second at most.
What a channel loses is found by reading too: each followed content is read again every ten seconds, all of them when
the channel has gapped. Only a higher version is told. A content is let go some seconds after its last follower.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice

import structlog

from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import SharetallyError, Unavailable
from sharetally.flow.activity import Activity
from sharetally.flow.queries import Queries
from sharetally.flow.subscriptions import Follower, Topic, Update
from sharetally.ports import Channel, Clock, CountStore, Listener

INTERVAL = 0.1  # seconds between two words about one content
CHECK_SECONDS = 1.0  # seconds between two looks at what is to be let go or read
REREAD_SECONDS = 10.0  # seconds
LINGER_SECONDS = 10.0  # seconds that a content is kept without followers
MAX_CONTENT_ITEMS = 50_000  # followed by one process
MAX_PER_STATEMENT = 200  # contents in one statement
OVERDUE = float("-inf")  # so that it is due
DISCONNECT_SECONDS = 1.0  # seconds over which clients are sent away, lest they all come back at once
log = structlog.get_logger("sharetally.live")


class _Followed:
    """One content: its newest count, and who follows it."""

    def __init__(self, now: float) -> None:
        self.topic = Topic(interval=INTERVAL, snapshot=self._snapshot)
        self.read_at = now
        self.needed_at = now
        self.newest: Update | None = None

    def update(self, count: Count) -> None:
        if self.newest is None or count.version > self.newest.order:
            self.newest = Update(count.version, count)
            if self.topic.followers:
                self.topic.changed()

    def _snapshot(self) -> Update:
        assert self.newest is not None, "followers join what is known"
        return self.newest


class Live(Listener):
    """Of one process; `run` reads again what is followed, until it is cancelled."""

    def __init__(
        self,
        *,
        channel: Channel,
        queries: Queries,
        counts: CountStore,
        clock: Clock,
        max_clients: int,
        on_client_count: Callable[[int], None],
    ) -> None:
        self._channel = channel
        self._queries = queries
        self._counts = counts
        self._on_client_count = on_client_count  # how many clients there are
        self._max_clients = max_clients
        self._followed: dict[ContentRef, _Followed] = {}
        self._clients: dict[Follower, None] = {}
        self._wake = asyncio.Event()
        self._gapped = False
        self._leaving: asyncio.Task[None] | None = None
        self.activity = Activity(clock)

    # what the channel says

    def on_counts(self, counts: Sequence[Count]) -> None:
        """Tell those who follow."""
        for count in counts:
            if (followed := self._followed.get(count.content)) is not None:
                followed.update(count)

    def on_minute_counts(self, minute_counts: Sequence[MinuteCount]) -> None:
        """Add it to the last hour."""
        self.activity.add(minute_counts)

    def on_changed(self, contents: Collection[ContentRef]) -> None:
        """Read those that are followed again, now."""
        for content in contents:
            if (followed := self._followed.get(content)) is not None:
                followed.read_at = OVERDUE
                self._wake.set()

    def on_gap(self) -> None:
        """Read everything again, now."""
        self._gapped = True
        self._wake.set()

    # what clients want

    @asynccontextmanager
    async def client(self, follower: Follower) -> AsyncIterator[None]:
        """One that follows; `Unavailable` where there are too many, or this process ends."""
        self.check_room()
        self._clients[follower] = None
        self._on_client_count(len(self._clients))
        try:
            yield
        finally:
            del self._clients[follower]
            self._on_client_count(len(self._clients))
            await follower.close()

    def check_room(self) -> None:
        """`Unavailable` unless one more client may come."""
        if self._leaving is not None:
            raise Unavailable("this process is ending; come again")
        if len(self._clients) >= self._max_clients:
            raise Unavailable("too many live clients here; come again later", retry_after=10)

    async def follow(self, follower: Follower, wanted: Mapping[ContentRef, int]) -> None:
        """Tell it the newest count of each, unless it has just that version, and every one that follows."""
        await self.ensure_loaded(wanted)
        for content, version in wanted.items():
            followed = self._followed[content]
            follower.subscribe(followed.topic, version)

    def followed_with(self, follower: Follower, wanted: Collection[ContentRef]) -> int:
        """How many contents it would follow with these."""
        topics = (each.topic for content in wanted if (each := self._followed.get(content)) is not None)
        held = len(follower.topics) - (self.activity.topic in follower.topics)
        return held + len(wanted) - sum(topic in follower.topics for topic in topics)

    def unfollow(self, follower: Follower, contents: Collection[ContentRef]) -> None:
        """No longer; repeating is fine."""
        for content in contents:
            if (followed := self._followed.get(content)) is not None:
                follower.unsubscribe(followed.topic)

    async def ensure_loaded(self, contents: Collection[ContentRef]) -> None:
        """Listen for these and read what stands; `Unavailable` if that cannot be had, or they are too many."""
        now = asyncio.get_running_loop().time()
        unknown = [content for content in contents if self._keep(content, now).newest is None]
        if unknown:
            await self._channel.follow(unknown)
            self.on_counts(await self._queries.counts(unknown))
        for content in contents:  # one that was let go meanwhile
            if content not in self._followed:
                raise Unavailable("the count is not known just now")

    def _keep(self, content: ContentRef, now: float) -> _Followed:
        followed = self._followed.get(content)
        if followed is None:
            if len(self._followed) >= MAX_CONTENT_ITEMS:
                raise Unavailable("too many contents are followed here; come again later", retry_after=10)
            followed = self._followed[content] = _Followed(now)
        followed.needed_at = now
        return followed

    # what nobody says

    async def run(self) -> None:
        """Every second, or when something moved: let go of what nobody follows, read again what is not sure."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._refresh(asyncio.get_running_loop().time())
            except Exception:
                log.exception("live_refresh_failed")
                await asyncio.sleep(CHECK_SECONDS)

    async def _refresh(self, now: float) -> None:
        if self._gapped:
            self._mark_all_overdue()
        await self._release_unfollowed(now)
        due = [content for content, each in self._followed.items() if each.read_at <= now - REREAD_SECONDS]
        if due:
            await self._reread(due, now)
            await asyncio.sleep(INTERVAL)  # nobody is told more often

    def _mark_all_overdue(self) -> None:
        self._gapped = False
        for followed in self._followed.values():
            followed.read_at = OVERDUE

    async def _release_unfollowed(self, now: float) -> None:
        gone = []
        for content, followed in self._followed.items():
            if followed.topic.followers:
                followed.needed_at = now
            elif followed.needed_at + LINGER_SECONDS < now:
                gone.append(content)
        for content in gone:
            self._followed.pop(content).topic.close()
        if gone:
            await self._channel.unfollow(gone)

    async def _reread(self, contents: Collection[ContentRef], now: float) -> None:
        rest = iter(contents)
        while some := list(islice(rest, MAX_PER_STATEMENT)):
            self._set_read_at(some, now)  # before: what moves meanwhile is read once more
            try:
                counts = await self._counts.stored(some)
            except SharetallyError as error:
                log.info("not read again", contents=len(contents), reason=error.detail)
                return self._set_read_at(some, OVERDUE)
            except Exception:
                self._set_read_at(some, OVERDUE)
                raise
            self.on_counts(counts)

    def _set_read_at(self, contents: Collection[ContentRef], at: float) -> None:
        for content in contents:
            if (followed := self._followed.get(content)) is not None:
                followed.read_at = at

    # the end

    def disconnect_all(self) -> None:
        """Send all clients away, to come back where somebody serves on; repeating is fine."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._disconnect_all())

    async def _disconnect_all(self) -> None:
        clients = list(self._clients)
        at_once = max(1, len(clients) // 50)
        for start in range(0, len(clients), at_once):
            for follower in clients[start : start + at_once]:
                follower.on_leave()
            await asyncio.sleep(DISCONNECT_SECONDS / 50)

    async def close(self) -> None:
        """Send away who is still here."""
        self.disconnect_all()
        if self._leaving is not None:
            await self._leaving
        for followed in self._followed.values():
            followed.topic.close()
        self.activity.topic.close()
