"""The hub: one upstream for each content, what is lost is read again, what nobody follows is let go, and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from sharetally.adapters.channels.memory import MemoryChannel
from sharetally.domain.activity import Made
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import Unavailable
from sharetally.flow import live as hub
from sharetally.flow.activity import Activity
from sharetally.flow.following import Follower, Update
from sharetally.flow.live import Live
from sharetally.flow.queries import Queries
from sharetally.ports import Clock, Reading

pytestmark = pytest.mark.anyio
VIDEO, OTHER = ContentRef("video", "abc"), ContentRef("video", "other")
WITHIN = 10.0  # seconds; only what is broken takes so long
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


class Upstream(MemoryChannel):
    """Remembers what was asked of it; a word can get lost."""

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
class Stored:
    """The database, as far as it is read here."""

    version: int = 1
    away: bool = False

    async def counts(self, contents: Sequence[ContentRef]) -> list[Count]:
        if self.away:
            raise Unavailable("the database is away")
        return [self.count(content) for content in contents]

    def count(self, content: ContentRef = VIDEO) -> Count:
        return Count(
            content=content, shares=self.version, evidence={}, channel={}, campaign={}, version=self.version, as_of=NOW
        )


@dataclass
class Hand:
    """A clock that moves when told."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class Stand:
    """All of it."""

    channel: Upstream = field(default_factory=Upstream)
    stored: Stored = field(default_factory=Stored)
    clients: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        reading = cast(Reading, self.stored)
        self.live = Live(
            channel=self.channel,
            queries=Queries(reading=reading, cache=None),
            reading=reading,
            clock=Hand(),
            clients=3,
            told=self.clients.append,
        )


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    made = Stand()
    await made.channel.open(made.live)
    yield made
    await made.live.close()


class Client:
    """What it heard, by content."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.left = False
        self._stirred = asyncio.Event()
        self.follower = Follower(
            form=lambda news: news,
            put=self._put,
            send=self._send,
            slow=lambda: None,
            leave=self._leave,
            patience=WITHIN,
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
        async with asyncio.timeout(WITHIN):
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


async def test_one_upstream_however_many_follow(stand: Stand) -> None:
    one, other = Client(), Client()
    async with stand.live.client(one.follower), stand.live.client(other.follower):
        for client in (one, other):
            await stand.live.follow(client.follower, {VIDEO: -1})
        assert stand.channel.asked == [VIDEO]
        stand.stored.version = 2
        await stand.channel.announce([stand.stored.count()])
        assert one.heard == other.heard == [1, 2]  # at once
        assert stand.clients == [1, 2]
    assert stand.clients == [1, 2, 1, 0]


async def test_a_lost_word_is_found_by_reading_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "READ_AGAIN", 0.0)
    monkeypatch.setattr(hub, "LOOK", 0.01)
    client = Client()
    async with stand.live.client(client.follower), running(stand.live):
        await stand.live.follow(client.follower, {VIDEO: -1})
        stand.stored.version = 2
        await client.until(2)


async def test_what_moved_is_read_at_once_and_told(stand: Stand) -> None:
    client = Client()
    async with stand.live.client(client.follower), running(stand.live):
        await stand.live.follow(client.follower, {VIDEO: -1})
        stand.stored.version = 2
        await stand.channel.announce_moved([OTHER, VIDEO])
        await client.until(2)
    assert client.heard == [1, 2]


async def test_what_moves_while_it_is_read_is_read_once_more(stand: Stand) -> None:
    client = Client()

    async def moves_meanwhile(contents: Sequence[ContentRef]) -> list[Count]:
        old = [stand.stored.count(content) for content in contents]
        if stand.stored.version == 2:
            stand.stored.version = 3
            await stand.channel.announce_moved(contents)
        return old

    async with stand.live.client(client.follower), running(stand.live):
        await stand.live.follow(client.follower, {VIDEO: -1})
        stand.stored.version, stand.stored.counts = 2, moves_meanwhile  # type: ignore[method-assign]
        await stand.channel.announce_moved([VIDEO])
        await client.until(3)
    assert client.heard == [1, 2, 3]


async def test_after_a_gap_all_is_read_at_once_and_again_if_the_database_is_away(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LOOK", 0.01)
    client = Client()
    async with stand.live.client(client.follower), running(stand.live):
        await stand.live.follow(client.follower, {VIDEO: -1, OTHER: -1})
        stand.stored.version, stand.stored.away = 2, True
        stand.live.gapped()
        await asyncio.sleep(0.05)
        assert client.heard == [1, 1]
        stand.stored.away = False
        await client.until(2)


async def test_what_nobody_follows_is_let_go(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LINGER", 0.0)
    monkeypatch.setattr(hub, "LOOK", 0.01)
    client = Client()
    async with running(stand.live):
        async with stand.live.client(client.follower):
            await stand.live.follow(client.follower, {VIDEO: -1})
        async with asyncio.timeout(WITHIN):
            while stand.channel.let_go != [VIDEO]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    other = Client()
    async with stand.live.client(other.follower):
        await stand.live.follow(other.follower, {VIDEO: -1})
    assert stand.channel.asked == [VIDEO, VIDEO]


async def test_bounds(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "CONTENTS", 1)
    one, *others = (Client() for _ in range(4))
    async with stand.live.client(one.follower):
        await stand.live.follow(one.follower, {VIDEO: -1})
        with pytest.raises(Unavailable):
            await stand.live.follow(one.follower, {OTHER: -1})
        async with stand.live.client(others[0].follower), stand.live.client(others[1].follower):
            with pytest.raises(Unavailable):
                stand.live.check_room()


async def test_without_a_database_nothing_new_is_followed(stand: Stand) -> None:
    stand.stored.away = True
    client = Client()
    async with stand.live.client(client.follower):
        with pytest.raises(Unavailable):
            await stand.live.follow(client.follower, {VIDEO: -1})
        stand.stored.away = False
        await stand.live.follow(client.follower, {VIDEO: -1})
        assert client.heard == [1]


async def test_the_end_sends_everybody_away_and_lets_nobody_in(stand: Stand) -> None:
    client = Client()
    async with stand.live.client(client.follower):
        await stand.live.close()
        assert client.left
        with pytest.raises(Unavailable):
            stand.live.check_room()


async def test_the_last_hour_in_absolute_numbers() -> None:
    clock, client = Hand(), Client()
    activity = Activity(cast(Clock, clock))
    activity.heard([Made(NOW, "twitter", 2), Made(NOW - timedelta(minutes=61), "twitter", 9)])
    activity.heard([Made(NOW, "twitter", 1), Made(NOW - timedelta(minutes=5), "none", 1)])
    client.follower.join(activity.topic)
    assert activity.topic.whole().value == [Made(NOW - timedelta(minutes=5), "none", 1), Made(NOW, "twitter", 3)]
    clock.at += timedelta(minutes=58)
    assert activity.topic.whole().value == [Made(NOW, "twitter", 3)]
    activity.topic.close()
