"""The `Cache` port, one suite over every adapter; then what each adds: forgetting, stalling, dying."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from sharetally.adapters.caches.memory import MemoryCache
from sharetally.adapters.caches.none import NoCache
from sharetally.adapters.caches.redis import RedisCache
from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.domain.errors import ConfigurationError
from sharetally.ports import Cache

pytestmark = pytest.mark.anyio

VIDEO = ContentRef(type="video", id="abc")
OTHER = ContentRef(type="video", id="other")
GENEROUS_TIMEOUT = 10.0  # seconds; a busy machine is not a fault
AT = datetime(2026, 11, 20, 12, 30, 1, 234567, tzinfo=UTC)


def count(content: ContentRef = VIDEO, *, version: int = 1_795_190_400_000_000, shares: int = 42) -> Count:
    return Count(
        content=content,
        shares=shares,
        evidence={"link": 30, "declared": 12},
        channel={"twitter": 20, "none": 22},
        campaign={"Sommer_26": 2, "none": 40},
        version=version,
        as_of=AT,
    )


@dataclass
class Clock:
    """A monotonic clock that moves only when a test sets it."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "redis"])
def closed_cache(request: pytest.FixtureRequest) -> Cache:
    if request.param == "memory":
        return MemoryCache()
    return RedisCache(request.getfixturevalue("redis_url"), timeout=GENEROUS_TIMEOUT)


@pytest.fixture
async def cache(closed_cache: Cache) -> AsyncIterator[Cache]:
    await closed_cache.open()
    yield closed_cache
    await closed_cache.close()


@pytest.fixture
async def redis_cache(redis_url: str) -> AsyncIterator[RedisCache]:
    made = RedisCache(redis_url, timeout=GENEROUS_TIMEOUT)
    yield made
    await made.close()


@pytest.fixture
async def server(redis_url: str) -> AsyncIterator[Redis]:
    """The same server, through another connection."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def keys(server: Redis) -> list[str]:
    return [str(key) for key in await server.keys()]


# every cache


async def test_an_unknown_content_is_a_miss(cache: Cache) -> None:
    assert await cache.get([VIDEO, OTHER]) == [None, None]


async def test_counts_are_returned_complete_and_in_request_order(cache: Cache) -> None:
    nothing_yet = replace(count(OTHER), shares=0, evidence={}, channel={}, campaign={}, version=0, as_of=None)
    await cache.put([count(), nothing_yet])
    unknown = ContentRef(type="video", id="unknown")
    assert await cache.get([OTHER, unknown, VIDEO, OTHER]) == [nothing_yet, None, count(), nothing_yet]


async def test_empty_gets_and_puts_are_allowed(cache: Cache) -> None:
    await cache.put([])
    assert await cache.get([]) == []


@pytest.mark.parametrize(
    ("higher", "lower"),
    [
        (1_795_190_400_000_001, 1_795_190_400_000_000),
        (1, 0),
        (2**32, 2**32 - 1),
        (2**33, 2**32 + 5),
        (2**53 + 1, 2**53),
        (2**63 - 1, 2**63 - 2),
        (10, 9),
    ],
)
async def test_a_lower_version_never_overwrites_a_higher_one(cache: Cache, higher: int, lower: int) -> None:
    await cache.put([count(version=higher, shares=2)])
    await cache.put([count(version=lower, shares=1)])
    assert await cache.get([VIDEO]) == [count(version=higher, shares=2)]


@pytest.mark.parametrize(("first", "second"), [(5, 6), (2**53, 2**53 + 1), (2**32 - 1, 2**32)])
async def test_a_higher_version_replaces_a_lower_one(cache: Cache, first: int, second: int) -> None:
    await cache.put([count(version=first, shares=9)])
    await cache.put([count(version=second, shares=8)])
    assert await cache.get([VIDEO]) == [count(version=second, shares=8)]


async def test_within_one_batch_the_highest_version_wins(cache: Cache) -> None:
    versions = [3, 9, 1, 8]
    await cache.put(count(version=version, shares=version) for version in versions)
    assert await cache.get([VIDEO]) == [count(version=9, shares=9)]


async def test_of_concurrent_writes_the_highest_version_wins(cache: Cache) -> None:
    versions = list(range(1, 201))
    random.Random(7).shuffle(versions)
    await asyncio.gather(*(cache.put([count(version=version, shares=version)]) for version in versions))
    assert await cache.get([VIDEO]) == [count(version=200, shares=200)]


async def test_a_batch_may_be_of_any_size(cache: Cache) -> None:
    counts = [count(ContentRef(type="video", id=f"v{number}"), shares=number) for number in range(1_201)]
    await cache.put(counts)
    assert await cache.get([each.content for each in counts]) == counts


async def test_similar_content_ids_are_not_confused(cache: Cache) -> None:
    contents = [
        ContentRef(type=type_, id=id_)
        for type_, id_ in [
            ("video", "abc"),
            ("video", "ABC"),
            ("video", "abc "),
            ("video", " abc"),
            ("article", "abc"),
            ("a", "b:c"),
            ("a:b", "c"),
            ("1:a", "b"),
            ("a", "1:b"),
            ("3:a:b", "c"),
            ("video", "caf\u00e9"),
            ("video", "cafe\u0301"),
            ("video", "\U0001f44d" * 128),
            ("video", "%61bc"),
            ("video", "*"),
        ]
    ]
    counts = [count(content, shares=number) for number, content in enumerate(contents)]
    await cache.put(counts)
    assert await cache.get(contents) == counts


async def test_it_answers_a_ping_and_can_be_reopened(cache: Cache) -> None:
    assert await cache.ping() is True
    await cache.open()
    await cache.close()
    await cache.close()


# memory


async def test_memory_entries_expire() -> None:
    clock = Clock()
    cache = MemoryCache(ttl=60.0, monotonic=clock)
    await cache.put([count(version=9)])
    clock.now += 59.9
    assert await cache.get([VIDEO]) == [count(version=9)]
    clock.now += 0.1
    assert await cache.get([VIDEO]) == [None]
    await cache.put([count(version=8)])
    assert await cache.get([VIDEO]) == [count(version=8)]


async def test_memory_keeps_the_same_version_longer_when_it_is_put_again() -> None:
    clock = Clock()
    cache = MemoryCache(ttl=60.0, monotonic=clock)
    await cache.put([count()])
    clock.now += 40
    await cache.put([count()])
    clock.now += 40
    assert await cache.get([VIDEO]) == [count()]


async def test_memory_evicts_the_least_recently_used() -> None:
    cache = MemoryCache(max_contents=2)
    third = ContentRef(type="video", id="third")
    await cache.put([count(VIDEO), count(OTHER)])
    await cache.get([VIDEO])
    await cache.put([count(third)])
    assert await cache.get([VIDEO, OTHER, third]) == [count(VIDEO), None, count(third)]


# none


async def test_no_cache_always_misses_and_is_never_down() -> None:
    cache = NoCache()
    await cache.open()
    await cache.put([count()])
    assert await cache.get([VIDEO, OTHER]) == [None, None]
    assert await cache.ping() is True
    await cache.close()


# redis


async def test_redis_forgets_after_its_time(redis_url: str, server: Redis) -> None:
    cache = RedisCache(redis_url, ttl=60.0, timeout=GENEROUS_TIMEOUT)
    await cache.put([count(), count(OTHER)])
    stored = await keys(server)
    assert len(stored) == 2
    for key in stored:
        assert key.startswith("sharetally:count:")
        assert 0 < await server.pttl(key) <= 60_000
    await cache.close()


async def test_redis_treats_an_unreadable_value_as_a_miss(redis_cache: RedisCache, server: Redis) -> None:
    await redis_cache.put([count()])
    (key,) = await keys(server)
    await server.set(key, b"junk")
    assert await redis_cache.get([VIDEO]) == [None]
    await redis_cache.put([count(version=1)])
    assert await redis_cache.get([VIDEO]) == [count(version=1)]


async def test_redis_treats_a_count_of_another_content_as_a_miss(redis_cache: RedisCache, server: Redis) -> None:
    await redis_cache.put([count()])
    (key,) = await keys(server)
    await redis_cache.put([count(OTHER)])
    (other,) = set(await keys(server)) - {key}
    await server.copy(other, key, replace=True)
    assert await redis_cache.get([VIDEO, OTHER]) == [None, count(OTHER)]


async def test_redis_reloads_a_forgotten_script(redis_cache: RedisCache, server: Redis) -> None:
    await redis_cache.put([count(version=1)])
    await server.script_flush()
    await redis_cache.put([count(version=2)])
    assert await redis_cache.get([VIDEO]) == [count(version=2)]


async def test_redis_errors_are_misses(redis_url: str) -> None:
    cache = RedisCache(redis_url.replace("redis://", "redis://nobody:wrong@"), timeout=GENEROUS_TIMEOUT)
    await cache.open()
    await cache.put([count()])
    assert await cache.get([VIDEO]) == [None]
    assert await cache.ping() is False
    await cache.close()


# a server that is not there or does not work


@pytest.fixture
def dead_url() -> Iterator[str]:
    """A port of our own that refuses connections: bound, but never listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"redis://:hunter2@127.0.0.1:{bound.getsockname()[1]}/0"


@dataclass
class Stalled:
    """A server that accepts connections, sends `words` and then nothing more."""

    url: str
    words: bytes = b""
    connections: int = 0


@asynccontextmanager
async def stalled_server(words: bytes = b"") -> AsyncIterator[Stalled]:
    over = asyncio.Event()

    async def stall(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stalled.connections += 1
        writer.write(stalled.words)
        await over.wait()
        writer.close()

    listening = await asyncio.start_server(stall, "127.0.0.1", 0)
    stalled = Stalled(url=f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0", words=words)
    async with listening:
        yield stalled
        over.set()


@pytest.mark.parametrize("words", [b"", b"*1\r\n", b"*1\r\n$500\r\nbeginning of a"])
async def test_a_stalled_server_costs_a_short_time_out(words: bytes) -> None:
    async with stalled_server(words) as stalled:
        cache = RedisCache(stalled.url, timeout=0.05)
        began = time.monotonic()
        await cache.open()
        assert await cache.ping() is False
        assert await cache.get([VIDEO, OTHER]) == [None, None]
        await cache.put([count()])
        await cache.close()
        assert time.monotonic() - began < 2.0


async def test_concurrent_calls_share_the_wait_for_a_stalled_server() -> None:
    async with stalled_server() as stalled:
        cache = RedisCache(stalled.url, timeout=0.1)
        began = time.monotonic()
        answers = await asyncio.gather(*(cache.get([VIDEO]) for _ in range(200)))
        assert answers == [[None]] * 200
        assert time.monotonic() - began < 2.0
        await cache.close()


async def test_after_five_failures_the_breaker_opens_for_two_seconds() -> None:
    clock = Clock()
    async with stalled_server() as stalled:
        cache = RedisCache(stalled.url, timeout=0.05, monotonic=clock)
        for _ in range(10):
            assert await cache.get([VIDEO]) == [None]
            await cache.put([count()])
        assert stalled.connections == 5
        clock.now += 2.0
        assert await asyncio.gather(*(cache.get([VIDEO]) for _ in range(10))) == [[None]] * 10
        assert stalled.connections == 6
        await cache.close()


async def test_a_probe_that_was_cancelled_is_followed_by_another() -> None:
    clock = Clock()
    async with stalled_server() as stalled:
        cache = RedisCache(stalled.url, timeout=0.05, monotonic=clock)
        for _ in range(5):
            await cache.get([VIDEO])
        clock.now += 2.0
        probe = asyncio.create_task(cache.get([VIDEO]))
        await asyncio.wait([probe], timeout=0.0)
        probe.cancel()
        with suppress(asyncio.CancelledError):
            await probe
        before = stalled.connections
        clock.now += 2.0
        await cache.get([VIDEO])
        assert stalled.connections == before + 1
        await cache.close()


async def test_the_breaker_closes_when_redis_responds() -> None:
    clock = Clock()
    async with stalled_server() as server:
        cache = RedisCache(server.url, timeout=0.05, monotonic=clock)
        with capture_logs() as logs:
            for _ in range(5):
                await cache.get([VIDEO])
            assert "set aside" in repr(cache)
            server.words = b"+PONG\r\n"
            assert await cache.ping() is True
            assert "in use" in repr(cache)
        assert [line["event"] for line in logs] == ["cache_away", "cache_back"]
        await cache.close()


async def test_a_dead_server_is_a_miss_and_no_error(dead_url: str) -> None:
    cache = RedisCache(dead_url)
    await cache.open()
    await cache.put([count()])
    assert await cache.get([VIDEO]) == [None]
    assert await cache.ping() is False
    await cache.close()


async def test_a_password_is_never_shown(dead_url: str) -> None:
    cache = RedisCache(dead_url)
    with capture_logs() as logs:
        for _ in range(6):
            await cache.get([VIDEO])
    assert logs
    assert "hunter2" not in f"{logs} {cache!r} {cache}"
    await cache.close()


@pytest.mark.parametrize("url", ["http://:hunter2@host", "redis://:hunter2/x@host:6379", "redis://:hunter2@host:6x9"])
def test_an_invalid_url_stops_the_start_and_hides_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        RedisCache(url)
    assert "CACHE_URL" in refused.value.detail
    assert "hunter2" not in str(refused.value)
