"""The hub: one subscription per content item, rereading what was lost, releasing what is not followed, and limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from sharetally.adapters.channels.memory import MemoryChannel
from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import Unavailable
from sharetally.flow import live as hub
from sharetally.flow.activity import Activity
from sharetally.flow.live import Live
from sharetally.flow.subscriptions import Follower, Update
from sharetally.ports import Clock, CountStore
from tests.flow.harness import queries_of_counts

pytestmark = pytest.mark.anyio
VIDEO, OTHER = ContentRef("video", "abc"), ContentRef("video", "other")
TIMEOUT = 10.0  # seconds; only what is broken takes so long
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


class RecordingChannel(MemoryChannel):
    """Remembers its calls; a message can get lost."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[ContentRef] = []
        self.let_go: list[ContentRef] = []

    async def follow(self, contents: Collection[ContentRef]) -> None:
        self.asked += contents
        await super().follow(contents)

    async def unfollow(self, contents: Collection[ContentRef]) -> None:
        self.let_go += contents
        await super().unfollow(contents)


@dataclass
class FakeCountStore:
    """Stored counts, as far as they are read here."""

    version: int = 1
    away: bool = False

    async def stored(self, contents: Sequence[ContentRef]) -> list[Count]:
        if self.away:
            raise Unavailable("the database is away")
        return [self.count(content) for content in contents]

    def count(self, content: ContentRef = VIDEO) -> Count:
        return Count(
            content=content, shares=self.version, evidence={}, channel={}, campaign={}, version=self.version, as_of=NOW
        )


@dataclass
class ManualClock:
    """A clock that moves only when a test sets it."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class HubHarness:
    """All of it."""

    channel: RecordingChannel = field(default_factory=RecordingChannel)
    stored: FakeCountStore = field(default_factory=FakeCountStore)
    clients: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        counts = cast(CountStore, self.stored)
        self.live = Live(
            channel=self.channel,
            queries=queries_of_counts(counts),
            counts=counts,
            clock=ManualClock(),
            max_clients=3,
            on_client_count=self.clients.append,
        )


@pytest.fixture
async def harness() -> AsyncIterator[HubHarness]:
    made = HubHarness()
    await made.channel.open(made.live)
    yield made
    await made.live.close()


class Client:
    """The counts that it received, by content item."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.left = False
        self._stirred = asyncio.Event()
        self.follower = Follower(
            encode=lambda news: news,
            put=self._put,
            send=self._send,
            on_too_slow=lambda: None,
            on_leave=self._leave,
            send_timeout=TIMEOUT,
        )

    def _put(self, news: object) -> bool:
        if isinstance(news, Count):
            self.heard.append(news.version)
        self._stirred.set()
        return True

    async def _send(self, update: Update) -> None:
        raise AssertionError("it was quick")

    def _leave(self) -> None:
        self.left = True

    async def until(self, version: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while version not in self.heard:
                self._stirred.clear()
                await self._stirred.wait()


@asynccontextmanager
async def running(live: Live) -> AsyncIterator[None]:
    task = asyncio.create_task(live.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_one_upstream_subscription_serves_many_followers(harness: HubHarness) -> None:
    one, other = Client(), Client()
    async with harness.live.client(one.follower), harness.live.client(other.follower):
        for client in (one, other):
            await harness.live.follow(client.follower, {VIDEO: -1})
        assert harness.channel.asked == [VIDEO]
        harness.stored.version = 2
        await harness.channel.announce([harness.stored.count()])
        assert one.heard == other.heard == [1, 2]  # at once
        assert harness.clients == [1, 2]
    assert harness.clients == [1, 2, 1, 0]


async def test_a_lost_announcement_is_found_by_polling(harness: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "REREAD_SECONDS", 0.0)
    monkeypatch.setattr(hub, "CHECK_SECONDS", 0.01)
    client = Client()
    async with harness.live.client(client.follower), running(harness.live):
        await harness.live.follow(client.follower, {VIDEO: -1})
        harness.stored.version = 2
        await client.until(2)


async def test_a_changed_content_is_read_and_sent_immediately(harness: HubHarness) -> None:
    client = Client()
    async with harness.live.client(client.follower), running(harness.live):
        await harness.live.follow(client.follower, {VIDEO: -1})
        harness.stored.version = 2
        await harness.channel.announce_changed([OTHER, VIDEO])
        await client.until(2)
    assert client.heard == [1, 2]


async def test_a_change_during_a_read_is_read_again(harness: HubHarness) -> None:
    client = Client()

    async def moves_meanwhile(contents: Sequence[ContentRef]) -> list[Count]:
        old = [harness.stored.count(content) for content in contents]
        if harness.stored.version == 2:
            harness.stored.version = 3
            await harness.channel.announce_changed(contents)
        return old

    async with harness.live.client(client.follower), running(harness.live):
        await harness.live.follow(client.follower, {VIDEO: -1})
        harness.stored.version, harness.stored.stored = 2, moves_meanwhile  # type: ignore[method-assign]
        await harness.channel.announce_changed([VIDEO])
        await client.until(3)
    assert client.heard == [1, 2, 3]


async def test_after_a_gap_everything_is_read_at_once_and_retried_while_the_database_is_away(
    harness: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "CHECK_SECONDS", 0.01)
    client = Client()
    async with harness.live.client(client.follower), running(harness.live):
        await harness.live.follow(client.follower, {VIDEO: -1, OTHER: -1})
        harness.stored.version, harness.stored.away = 2, True
        harness.live.on_gap()
        await asyncio.sleep(0.05)
        assert client.heard == [1, 1]
        harness.stored.away = False
        await client.until(2)


async def test_a_content_without_followers_is_unsubscribed(
    harness: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(hub, "CHECK_SECONDS", 0.01)
    client = Client()
    async with running(harness.live):
        async with harness.live.client(client.follower):
            await harness.live.follow(client.follower, {VIDEO: -1})
        async with asyncio.timeout(TIMEOUT):
            while harness.channel.let_go != [VIDEO]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    other = Client()
    async with harness.live.client(other.follower):
        await harness.live.follow(other.follower, {VIDEO: -1})
    assert harness.channel.asked == [VIDEO, VIDEO]


async def test_the_hub_limits_clients_and_subscriptions(harness: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_CONTENT_ITEMS", 1)
    one, *others = (Client() for _ in range(4))
    async with harness.live.client(one.follower):
        await harness.live.follow(one.follower, {VIDEO: -1})
        with pytest.raises(Unavailable):
            await harness.live.follow(one.follower, {OTHER: -1})
        async with harness.live.client(others[0].follower), harness.live.client(others[1].follower):
            with pytest.raises(Unavailable):
                harness.live.check_room()


async def test_without_a_database_nothing_new_is_followed(harness: HubHarness) -> None:
    harness.stored.away = True
    client = Client()
    async with harness.live.client(client.follower):
        with pytest.raises(Unavailable):
            await harness.live.follow(client.follower, {VIDEO: -1})
        harness.stored.away = False
        await harness.live.follow(client.follower, {VIDEO: -1})
        assert client.heard == [1]


async def test_shutdown_disconnects_all_and_refuses_new_clients(harness: HubHarness) -> None:
    client = Client()
    async with harness.live.client(client.follower):
        await harness.live.close()
        assert client.left
        with pytest.raises(Unavailable):
            harness.live.check_room()


async def test_the_last_hour_in_absolute_numbers() -> None:
    clock, client = ManualClock(), Client()
    activity = Activity(cast(Clock, clock))
    activity.add([MinuteCount(NOW, "twitter", 2), MinuteCount(NOW - timedelta(minutes=61), "twitter", 9)])
    activity.add([MinuteCount(NOW, "twitter", 1), MinuteCount(NOW - timedelta(minutes=5), "none", 1)])
    client.follower.subscribe(activity.topic)
    assert activity.topic.snapshot().value == [
        MinuteCount(NOW - timedelta(minutes=5), "none", 1),
        MinuteCount(NOW, "twitter", 3),
    ]
    clock.at += timedelta(minutes=58)
    assert activity.topic.snapshot().value == [MinuteCount(NOW, "twitter", 3)]
    activity.topic.close()
