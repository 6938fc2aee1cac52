"""Live counts: one upstream subscription for each content item that clients of this process follow.

    channel -> Live.on_counts -> topic -> followers

A channel that does not carry counts reports which content items have changed. Their counts are then read from the
database, at most ten times a second. Reading also recovers what the channel loses: each followed content item is read
every ten seconds, and all of them are read after a gap. Followers only ever get a count with a higher version.
A content item is released a few seconds after its last follower has left.
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

INTERVAL = 0.1  # minimum seconds between two updates of one content item
CHECK_SECONDS = 1.0  # seconds between two checks of which content items to release or to read
REREAD_SECONDS = 10.0  # seconds after which a followed content item is read again
LINGER_SECONDS = 10.0  # seconds for which a content item without followers is kept
MAX_CONTENT_ITEMS = 50_000  # followed by one process
MAX_PER_STATEMENT = 200  # content items in one statement
OVERDUE = float("-inf")  # as `read_at`: the content item is read at the next check
DISCONNECT_SECONDS = 1.0  # clients are disconnected over this period, so that they do not all reconnect at once
log = structlog.get_logger("sharetally.live")


class _Followed:
    """One content item: its newest count and the topic with its followers."""

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
        assert self.newest is not None, "a client subscribes only after the count was loaded"
        return self.newest


class Live(Listener):
    """The live counts of one process.

    `run` must be running as a task: it releases and rereads content items until it is cancelled.
    """

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
        self._on_client_count = on_client_count  # called with the number of clients whenever it changes
        self._max_clients = max_clients
        self._followed: dict[ContentRef, _Followed] = {}
        self._clients: dict[Follower, None] = {}
        self._wake = asyncio.Event()
        self._gapped = False
        self._leaving: asyncio.Task[None] | None = None
        self.activity = Activity(clock)

    # called by the channel

    def on_counts(self, counts: Sequence[Count]) -> None:
        """Send these counts to the followers of their content items."""
        for count in counts:
            if (followed := self._followed.get(count.content)) is not None:
                followed.update(count)

    def on_minute_counts(self, minute_counts: Sequence[MinuteCount]) -> None:
        """Add these shares to the activity of the last hour."""
        self.activity.add(minute_counts)

    def on_changed(self, contents: Collection[ContentRef]) -> None:
        """Have those of these content items that are followed read at once."""
        for content in contents:
            if (followed := self._followed.get(content)) is not None:
                followed.read_at = OVERDUE
                self._wake.set()

    def on_gap(self) -> None:
        """Have every followed content item read at once."""
        self._gapped = True
        self._wake.set()

    # called for clients

    @asynccontextmanager
    async def client(self, follower: Follower) -> AsyncIterator[None]:
        """Register a client while the context is open; `Unavailable` if `check_room` refuses it."""
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
        """Raise `Unavailable` if there are too many clients already or this process is shutting down."""
        if self._leaving is not None:
            raise Unavailable("this process is shutting down; connect again")
        if len(self._clients) >= self._max_clients:
            raise Unavailable("this process has too many live clients; try again later", retry_after=10)

    async def follow(self, follower: Follower, wanted: Mapping[ContentRef, int]) -> None:
        """Send the client the newest count of each content item and every later one.

        `wanted` maps each content item to the version that the client already has; that version is not sent again.
        """
        await self.ensure_loaded(wanted)
        for content, version in wanted.items():
            followed = self._followed[content]
            follower.subscribe(followed.topic, version)

    def followed_with(self, follower: Follower, wanted: Collection[ContentRef]) -> int:
        """How many content items the client would follow if it followed these as well."""
        topics = (each.topic for content in wanted if (each := self._followed.get(content)) is not None)
        already_followed = sum(topic in follower.topics for topic in topics)
        current = len(follower.topics) - (self.activity.topic in follower.topics)
        return current + len(wanted) - already_followed

    def unfollow(self, follower: Follower, contents: Collection[ContentRef]) -> None:
        """Send the client no more counts of these content items; it may follow none of them."""
        for content in contents:
            if (followed := self._followed.get(content)) is not None:
                follower.unsubscribe(followed.topic)

    async def ensure_loaded(self, contents: Collection[ContentRef]) -> None:
        """Subscribe to these content items and load their counts.

        `Unavailable` if a count cannot be loaded or this process follows too many content items.
        """
        now = asyncio.get_running_loop().time()
        unknown = [content for content in contents if self._keep(content, now).newest is None]
        if unknown:
            await self._channel.follow(unknown)
            self.on_counts(await self._queries.counts(unknown))
        for content in contents:
            if content not in self._followed:  # it was released in the meantime
                raise Unavailable("the count could not be loaded; try again")

    def _keep(self, content: ContentRef, now: float) -> _Followed:
        """Keep the content item for another `LINGER_SECONDS`, with or without followers."""
        followed = self._followed.get(content)
        if followed is None:
            if len(self._followed) >= MAX_CONTENT_ITEMS:
                raise Unavailable("this process follows too many content items; try again later", retry_after=10)
            followed = self._followed[content] = _Followed(now)
        followed.needed_at = now
        return followed

    # the task

    async def run(self) -> None:
        """Release what nobody follows and read what may be outdated: every second, or at once after a change."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                now = asyncio.get_running_loop().time()
                if self._gapped:
                    self._gapped = False
                    self._set_read_at(self._followed, OVERDUE)
                await self._release_unfollowed(now)
                due = [content for content, each in self._followed.items() if each.read_at <= now - REREAD_SECONDS]
                if due:
                    await self._reread(due, now)
                    await asyncio.sleep(INTERVAL)  # followers get updates no more often than this
            except Exception:
                log.exception("live_refresh_failed")
                await asyncio.sleep(CHECK_SECONDS)

    async def _release_unfollowed(self, now: float) -> None:
        unfollowed = []
        for content, followed in self._followed.items():
            if followed.topic.followers:
                followed.needed_at = now
            elif followed.needed_at + LINGER_SECONDS < now:
                unfollowed.append(content)
        for content in unfollowed:
            self._followed.pop(content).topic.close()
        if unfollowed:
            await self._channel.unfollow(unfollowed)

    async def _reread(self, contents: Collection[ContentRef], now: float) -> None:
        remaining = iter(contents)
        while chunk := list(islice(remaining, MAX_PER_STATEMENT)):
            self._set_read_at(chunk, now)  # before the read: a change that arrives during the read causes another one
            try:
                counts = await self._counts.stored(chunk)
            except SharetallyError as error:
                log.info("not read again", contents=len(contents), reason=error.detail)
                return self._set_read_at(chunk, OVERDUE)
            except Exception:
                self._set_read_at(chunk, OVERDUE)
                raise
            self.on_counts(counts)

    def _set_read_at(self, contents: Collection[ContentRef], at: float) -> None:
        for content in contents:
            if (followed := self._followed.get(content)) is not None:
                followed.read_at = at

    # shutdown

    def disconnect_all(self) -> None:
        """Begin to ask all clients to reconnect to another process; a repeated call changes nothing."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._disconnect_all())

    async def _disconnect_all(self) -> None:
        clients = list(self._clients)
        chunk_size = max(1, len(clients) // 50)
        for start in range(0, len(clients), chunk_size):
            for follower in clients[start : start + chunk_size]:
                follower.on_leave()
            await asyncio.sleep(DISCONNECT_SECONDS / 50)

    async def close(self) -> None:
        """Disconnect the remaining clients and send nothing any more."""
        self.disconnect_all()
        if self._leaving is not None:
            await self._leaving
        for followed in self._followed.values():
            followed.topic.close()
        self.activity.topic.close()
