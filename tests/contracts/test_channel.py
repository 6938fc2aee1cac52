"""The `Channel` port, one suite for every adapter; then how each behaves when its server leaves and returns."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from sharetally.adapters.channels.amqp import EXCHANGE, AmqpChannel
from sharetally.adapters.channels.memory import MemoryChannel
from sharetally.adapters.channels.redis import RedisChannel
from sharetally.domain.activity import MinuteCount
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Channel, Listener
from tests.docs.pages import DOCS, blocks
from tests.flow.harness import open_channel
from tests.services.launch import free_port
from tests.services.proxy import open_proxy
from tests.services.virtual_hosts import VirtualHosts

pytestmark = pytest.mark.anyio

SERVERS_PAGE = DOCS / "how-to" / "postgresql-rabbitmq.md"
TIMEOUT = 30.0  # seconds; only a fault takes this long
PATIENT = 10.0  # seconds; a busy machine is not a fault
VIDEO = ContentRef(type="video", id="abc")
OTHER = ContentRef(type="video", id="other")
AT = datetime(2026, 11, 20, 12, 30, 1, 234567, tzinfo=UTC)
MADE = (MinuteCount(minute=AT.replace(second=0, microsecond=0), channel="twitter", shares=3),)
COUNT = Count(
    content=VIDEO,
    shares=42,
    evidence={"link": 30, "declared": 12},
    channel={"twitter": 20, "none": 22},
    campaign={"Sommer_26": 2, "none": 40},
    version=1_795_190_400_000_000,
    as_of=AT,
)


@dataclass
class RecordingListener(Listener):
    """Remembers what it received."""

    counts: list[Count] = field(default_factory=list)
    changed: list[ContentRef] = field(default_factory=list)
    minutes: list[MinuteCount] = field(default_factory=list)
    gaps: int = 0
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def on_counts(self, counts: Sequence[Count]) -> None:
        self.counts += counts
        self.on_changed([count.content for count in counts])

    def on_changed(self, contents: Collection[ContentRef]) -> None:
        self.changed += contents
        self._stirred.set()

    def on_minute_counts(self, made: Sequence[MinuteCount]) -> None:
        self.minutes += made
        self._stirred.set()

    def on_gap(self) -> None:
        self.gaps += 1
        self._stirred.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self._stirred.clear()
                await self._stirred.wait()


@dataclass
class ChannelPair:
    """The announcing side, the listening side, and what was received."""

    publisher: Channel
    subscriber: Channel
    listener: RecordingListener

    async def last_word(self) -> None:
        """Wait until everything announced before has been received."""
        marker = MinuteCount(minute=AT, channel="marker", shares=len(self.listener.minutes))
        await self.publisher.announce([], [marker])
        await self.listener.until(lambda: marker in self.listener.minutes)


@pytest.fixture(params=["memory", "redis", "amqp"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[ChannelPair]:
    ear = RecordingListener()
    async with AsyncExitStack() as stack:
        says, hears = _channels(request)
        for channel in {id(says): says, id(hears): hears}.values():
            stack.push_async_callback(channel.close)
        if says is not hears:
            await says.open(None)
        await hears.open(ear)
        if says is not hears:
            await ear.until(lambda: ear.gaps == 1)
        yield ChannelPair(says, hears, ear)


def _channels(request: pytest.FixtureRequest) -> tuple[Channel, Channel]:
    match request.param:
        case "redis":
            url = request.getfixturevalue("redis_url")
            return RedisChannel(url, timeout=PATIENT), RedisChannel(url, timeout=PATIENT)
        case "amqp":
            url = request.getfixturevalue("amqp_url")
            return AmqpChannel(url, timeout=PATIENT), AmqpChannel(url, timeout=PATIENT)
    same = MemoryChannel()
    return same, same


# every channel


async def test_only_followed_contents_are_received(pair: ChannelPair) -> None:
    nothing_yet = replace(COUNT, content=OTHER, shares=0, evidence={}, channel={}, campaign={}, version=0, as_of=None)
    await pair.subscriber.follow([VIDEO])
    await pair.publisher.announce([COUNT, nothing_yet])
    await pair.last_word()
    assert pair.listener.changed == [VIDEO]
    await pair.subscriber.follow([OTHER])
    await pair.publisher.announce([nothing_yet])
    await pair.last_word()
    assert pair.listener.changed == [VIDEO, OTHER]
    assert pair.listener.counts == ([COUNT, nothing_yet] if pair.publisher.carries_counts else [])


async def test_changed_contents_are_announced_by_name(pair: ChannelPair) -> None:
    await pair.subscriber.follow([VIDEO])
    await pair.publisher.announce_changed([VIDEO, OTHER], MADE)
    await pair.listener.until(lambda: pair.listener.minutes == list(MADE))
    await pair.last_word()
    assert (pair.listener.changed, pair.listener.counts) == ([VIDEO], [])


async def test_unfollowed_contents_are_not_received(pair: ChannelPair) -> None:
    await pair.subscriber.follow([VIDEO, OTHER])
    await pair.subscriber.unfollow([VIDEO])
    await pair.subscriber.unfollow([VIDEO])
    await pair.publisher.announce([COUNT, replace(COUNT, content=OTHER)])
    await pair.last_word()
    assert pair.listener.changed == [OTHER]


async def test_minute_counts_are_always_received(pair: ChannelPair) -> None:
    await pair.publisher.announce([], MADE)
    await pair.listener.until(lambda: pair.listener.minutes == list(MADE))


async def test_similar_content_ids_are_not_confused(pair: ChannelPair) -> None:
    alike = [ContentRef("a", "b:c"), ContentRef("a", "B:c"), ContentRef("a-b", "c"), ContentRef("a", "ü"), VIDEO]
    await pair.subscriber.follow(alike[:1])
    await pair.publisher.announce([replace(COUNT, content=content) for content in alike])
    await pair.last_word()
    assert pair.listener.changed == alike[:1]


async def test_many_contents_are_followed_at_once(pair: ChannelPair) -> None:
    contents = [ContentRef("video", f"{number}") for number in range(1_100)]
    await pair.subscriber.follow(contents)
    await pair.publisher.announce([replace(COUNT, content=content) for content in contents])
    await pair.last_word()
    assert set(pair.listener.changed) == set(contents)


async def test_unfollowing_is_idempotent(pair: ChannelPair) -> None:
    for channel in (pair.publisher, pair.subscriber):
        await channel.close()
        await channel.close()


# a server that leaves and returns


async def test_redis_reports_a_gap_and_keeps_receiving(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_proxy(redis_url))
        ear, says, hears = RecordingListener(), RedisChannel(redis_url, timeout=PATIENT), RedisChannel(server.url)
        for channel in (says, hears):
            stack.push_async_callback(channel.close)
        await hears.open(ear)
        await hears.follow([VIDEO])
        await ear.until(lambda: ear.gaps == 1)
        server.reset()
        await ear.until(lambda: ear.gaps == 2)
        await says.announce([COUNT])
        await ear.until(lambda: ear.counts == [COUNT])


async def test_redis_leaves_a_server_that_has_gone_silent(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_proxy(redis_url))
        ear, hears = RecordingListener(), RedisChannel(server.url, silence_timeout=0.1)
        stack.push_async_callback(hears.close)
        await hears.open(ear)
        await ear.until(lambda: ear.gaps == 1)
        server.stall(new_connections=False)
        await hears.follow([VIDEO])  # and does not wait long for it
        await ear.until(lambda: ear.gaps >= 2)
        says = RedisChannel(redis_url, timeout=PATIENT)
        stack.push_async_callback(says.close)
        await says.announce([COUNT])
        await ear.until(lambda: ear.counts == [COUNT])


async def test_an_unavailable_redis_does_not_block_publishing() -> None:
    channel = RedisChannel(f"redis://127.0.0.1:{free_port()}/0")
    ear = RecordingListener()
    await channel.open(ear)
    await channel.follow([VIDEO])
    await channel.announce([COUNT], MADE)
    await channel.unfollow([VIDEO])
    await channel.close()
    assert (ear.counts, ear.minutes, ear.gaps) == ([], [], 0)


async def test_redis_databases_are_isolated(redis_url: str) -> None:
    base, _, number = redis_url.rpartition("/")
    ear = RecordingListener()
    here, there = RedisChannel(redis_url, timeout=PATIENT), RedisChannel(f"{base}/{(int(number) + 1) % 16}")
    await here.open(ear)
    await here.follow([VIDEO])
    await there.announce([COUNT])
    await here.announce([], MADE)
    await ear.until(lambda: ear.minutes == list(MADE))
    assert ear.counts == []
    for channel in (here, there):
        await channel.close()


async def test_unreadable_redis_messages_are_ignored(redis_url: str) -> None:
    ear, channel = RecordingListener(), RedisChannel(redis_url, timeout=PATIENT)
    await channel.open(ear)
    await channel.follow([VIDEO])
    number = redis_url.rpartition("/")[2]
    async with Redis.from_url(redis_url) as client:
        await client.publish(f"sharetally:{number}:live:5:video:abc", b"\xc1 nonsense")
        await client.publish(f"sharetally:{number}:made", b"\x01")
    await channel.announce([COUNT])
    await ear.until(lambda: ear.counts == [COUNT])
    await channel.close()


async def test_rabbitmq_reports_a_gap_and_keeps_receiving(amqp_url: str) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_proxy(amqp_url))
        ear, says, hears = RecordingListener(), AmqpChannel(amqp_url, timeout=PATIENT), AmqpChannel(server.url)
        for channel in (says, hears):
            stack.push_async_callback(channel.close)
        await says.open(None)
        await hears.open(ear)
        await hears.follow([VIDEO])
        await ear.until(lambda: ear.gaps == 1)
        server.reset()
        await ear.until(lambda: ear.gaps == 2)
        await says.announce([COUNT])
        await ear.until(lambda: ear.changed == [VIDEO])


async def test_the_documented_rabbitmq_permissions_are_sufficient(amqp_url: str, virtual_hosts: VirtualHosts) -> None:
    (text,) = [block.text for block in blocks(SERVERS_PAGE) if "set_permissions" in block.text]
    *_, configure, write, read = shlex.split(text)
    if not virtual_hosts.permit(amqp_url, configure, write, read):
        return
    ear, says, hears = RecordingListener(), AmqpChannel(amqp_url, timeout=PATIENT), AmqpChannel(amqp_url)
    await says.open(None)
    await hears.open(ear)
    await hears.follow([VIDEO])
    await says.announce([COUNT])
    try:
        await ear.until(lambda: ear.changed == [VIDEO])
    finally:
        await says.close()
        await hears.close()


async def test_unreadable_rabbitmq_messages_are_ignored(amqp_url: str) -> None:
    ear, says, hears = RecordingListener(), AmqpChannel(amqp_url, timeout=PATIENT), AmqpChannel(amqp_url)
    await says.open(None)
    await hears.open(ear)
    await hears.follow([VIDEO])
    async with open_channel(amqp_url) as foreign:
        await foreign.basic_publish(b"\xc1 nonsense", exchange=EXCHANGE)
    await says.announce([COUNT])
    await ear.until(lambda: ear.changed == [VIDEO])
    for channel in (says, hears):
        await channel.close()


@pytest.mark.parametrize("kind", [RedisChannel, AmqpChannel])
def test_an_invalid_url_is_reported_without_its_password(kind: Callable[[str], Channel]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        kind("http://user:secret@host/0")
    assert "secret" not in str(refused.value)
