"""Rate limits: one process's window under a clock of our own, and the shared one in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sharetally.adapters.guarded_redis import GuardedRedis
from sharetally.adapters.quota_redis import RedisLeases
from sharetally.domain.errors import RateLimited
from sharetally.ports.quota import Grant, Usage
from sharetally.web.auth.quota import LocalQuota, Quota, UnlimitedQuota, rate_limit_fields, rate_limited_fields
from sharetally.web.auth.shared_quota import SharedQuota
from tests.services.proxy import Proxy
from tests.web.conftest import MakeApi
from tests.web.manual_clock import ManualClock

pytestmark = pytest.mark.anyio

DAY = 86_400


@pytest.fixture
def clock() -> ManualClock:
    """Noon: the start of a minute and of an hour."""
    return ManualClock()


async def spend(quota: Quota, key: str, at_most: int) -> int:
    """Writes made until the first refusal."""
    for count in range(at_most):
        try:
            await quota.spend(key)
        except RateLimited:
            return count
    return at_most


async def refusal(quota: Quota, key: str) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await quota.spend(key)
    return caught.value


# one process


async def test_the_limit_is_exact(clock: ManualClock) -> None:
    quota = LocalQuota(limit=10, window=60, now=clock.seconds)
    assert await spend(quota, "alice", 100) == 10
    assert await spend(quota, "bob", 100) == 10


async def test_a_write_reports_the_remaining_quota(clock: ManualClock) -> None:
    quota = LocalQuota(limit=3, window=60, now=clock.seconds)
    clock.advance(20)
    states = [await quota.spend("alice") for _ in range(3)]
    assert [state.remaining for state in states] == [2, 1, 0]
    assert {(state.limit, state.reset, state.window) for state in states} == {(3, 40, 60)}


async def test_the_window_slides(clock: ManualClock) -> None:
    quota = LocalQuota(limit=10, window=60, now=clock.seconds)
    assert await spend(quota, "alice", 10) == 10
    clock.advance(60 + 30)  # half of the window before is still seen: 5 of its 10 writes
    assert await spend(quota, "alice", 10) == 5
    clock.advance(60)  # half of the 5 is 2.5
    assert await spend(quota, "alice", 10) == 8
    clock.advance(120)
    assert await spend(quota, "alice", 20) == 10


@pytest.mark.parametrize("limit", [1, 2, 7, 600])
@pytest.mark.parametrize("start", [0, 1, 31, 59])
async def test_after_the_wait_one_more_is_free_and_not_much_before(clock: ManualClock, limit: int, start: int) -> None:
    quota = LocalQuota(limit=limit, window=60, now=clock.seconds)
    clock.advance(start)
    assert await spend(quota, "alice", limit + 1) == limit
    refused = await refusal(quota, "alice")
    assert (refused.limit, refused.window) == (limit, 60)
    clock.advance(refused.retry_after - 1.5)
    await refusal(quota, "alice")
    clock.advance(1.5)
    await quota.spend("alice")


async def test_a_wait_within_a_window_is_short(clock: ManualClock) -> None:
    quota = LocalQuota(limit=60, window=60, now=clock.seconds)
    assert await spend(quota, "alice", 100) == 60
    clock.advance(61)
    assert await spend(quota, "alice", 100) == 1
    assert (await refusal(quota, "alice")).retry_after == 1


async def test_users_are_forgotten_when_idle_or_too_many(clock: ManualClock) -> None:
    quota = LocalQuota(limit=1, window=60, now=clock.seconds, capacity=2)
    for user in ("alice", "bob", "carol"):
        await quota.spend(user)
    assert await spend(quota, "carol", 1) == 0
    assert await spend(quota, "alice", 1) == 1


async def test_a_disabled_limit_allows_every_write() -> None:
    quota: Quota = UnlimitedQuota()
    states = [await quota.spend("alice") for _ in range(10_000)]
    assert states == [None] * 10_000


@pytest.mark.parametrize(
    ("current", "before", "elapsed", "free"),
    [(0, 0, 0.0, 10), (10, 0, 0.0, 0), (0, 10, 0.0, 0), (0, 10, 0.5, 5), (4, 10, 0.75, 4), (12, 0, 0.0, 0)],
)
def test_free_writes_of_a_sliding_window(current: int, before: int, elapsed: float, free: int) -> None:
    assert Usage(current=current, before=before, elapsed=elapsed).free(10) == free


async def test_the_fields_of_an_answer(clock: ManualClock) -> None:
    quota = LocalQuota(limit=1, window=60, now=clock.seconds)
    assert dict(rate_limit_fields(await quota.spend("alice"))) == {
        "ratelimit": '"writes";r=0;t=60',
        "ratelimit-policy": '"writes";q=1;w=60',
    }
    clock.advance(15)
    assert dict(rate_limited_fields(await refusal(quota, "alice"))) == {
        "retry-after": "46",
        "ratelimit": '"writes";r=0;t=46',
        "ratelimit-policy": '"writes";q=1;w=60',
    }


# several processes


class CountingBackend:
    """Leases that count their callers and pass each call on to others."""

    def __init__(self, inner: RedisLeases) -> None:
        self._inner = inner
        self.asked = 0

    async def lease(self, key: str, *, wanted: int, limit: int, window: int) -> Grant | None:
        self.asked += 1
        return await self._inner.lease(key, wanted=wanted, limit=limit, window=window)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[GuardedRedis]:
    asking = GuardedRedis(redis_url, purpose="quota", timeout=10.0, faults=1)  # a busy machine is no dead Redis
    yield asking
    await asking.close()


def shared_quota(redis: GuardedRedis, clock: ManualClock, *, limit: int = 100) -> tuple[SharedQuota, CountingBackend]:
    leases = CountingBackend(RedisLeases(redis))
    return SharedQuota(limit=limit, window=DAY, leases=leases, now=clock.seconds), leases


@pytest.mark.parametrize("limit", [1, 7, 100, 600])
async def test_processes_together_never_grant_more_than_the_limit(
    redis: GuardedRedis, clock: ManualClock, limit: int
) -> None:
    processes = [shared_quota(redis, clock, limit=limit)[0] for _ in range(4)]
    counts = [await spend(quota, "alice", limit // 8 + 1) for quota in processes]
    counts += [await spend(quota, "alice", limit + 1) for quota in processes]
    assert sum(counts) == limit
    assert await spend(processes[0], "bob", 1) == 1


async def test_writes_at_once_never_grant_more_than_the_limit(redis: GuardedRedis, clock: ManualClock) -> None:
    processes = [shared_quota(redis, clock, limit=50)[0] for _ in range(4)]
    writes = [quota.spend("alice") for quota in processes for _ in range(50)]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(not isinstance(answer, RateLimited) for answer in answers) == 50


async def test_most_writes_do_not_call_redis(redis: GuardedRedis, clock: ManualClock) -> None:
    quota, leases = shared_quota(redis, clock, limit=6000)
    assert await spend(quota, "alice", 3000) == 3000
    assert leases.asked < 30


async def test_a_user_with_few_writes_takes_few_from_other_processes(redis: GuardedRedis, clock: ManualClock) -> None:
    slow, _ = shared_quota(redis, clock)
    quick, _ = shared_quota(redis, clock)
    await slow.spend("alice")
    assert await spend(quick, "alice", 101) == 99


async def test_a_write_reports_the_remaining_shared_quota(redis: GuardedRedis, clock: ManualClock) -> None:
    quota, _ = shared_quota(redis, clock)
    states = [await quota.spend("alice") for _ in range(20)]
    assert [state.remaining for state in states] == list(range(99, 79, -1))
    assert all(1 <= state.reset <= DAY and state.limit == 100 for state in states)


async def test_a_refused_user_causes_no_further_redis_calls(redis: GuardedRedis, clock: ManualClock) -> None:
    quota, leases = shared_quota(redis, clock, limit=3)
    assert await spend(quota, "alice", 4) == 3
    asked = leases.asked
    first = await refusal(quota, "alice")
    assert 0 < first.retry_after <= 2 * DAY
    assert leases.asked == asked


async def test_the_window_in_redis_slides_by_the_clock_of_redis(redis: GuardedRedis) -> None:
    leases = RedisLeases(redis, prefix="q:")
    seconds, _ = await redis.client.time()
    yesterday = int(seconds) // DAY - 1
    await redis.client.hset("q:100/86400:alice", mapping={"index": yesterday, "current": 100, "before": 0})
    grant = await leases.lease("alice", wanted=1, limit=100, window=DAY)
    assert grant is not None
    assert (grant.usage.before, grant.usage.current - grant.granted) == (100, 0)
    await redis.client.hset("q:100/86400:bob", mapping={"index": yesterday - 1, "current": 100, "before": 100})
    grant = await leases.lease("bob", wanted=1, limit=100, window=DAY)
    assert grant is not None
    assert grant == Grant(granted=1, usage=Usage(current=1, before=0, elapsed=grant.usage.elapsed))
    assert 0 < await redis.client.ttl("q:100/86400:bob") <= 2 * DAY


async def test_a_lease_ends_with_its_window(redis: GuardedRedis, clock: ManualClock) -> None:
    quota, leases = shared_quota(redis, clock, limit=6000)
    for _ in range(5):
        await quota.spend("alice")
    asked = leases.asked
    clock.advance(DAY)
    await quota.spend("alice")
    assert leases.asked == asked + 1


# without Redis


class DeadRedis:
    """Takes connections and closes them, or says nothing on them; counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.answers = True
        self.ended = asyncio.Event()

    async def serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if not self.answers:
            await self.ended.wait()
        writer.close()


@pytest.fixture
async def dead() -> AsyncIterator[tuple[DeadRedis, str]]:
    server = DeadRedis()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    yield server, f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    server.ended.set()
    listener.close()


@asynccontextmanager
async def cut_off(url: str, clock: ManualClock, *, limit: int, seconds: float = 10.0) -> AsyncIterator[SharedQuota]:
    """A quota that uses this Redis, called as the service calls it."""
    asking = GuardedRedis(url, purpose="quota", timeout=seconds, faults=1, monotonic=clock.seconds)
    yield SharedQuota(limit=limit, window=60, leases=RedisLeases(asking), now=clock.seconds)
    await asking.close()


async def test_without_redis_writes_go_on_under_the_own_window(dead: tuple[DeadRedis, str], clock: ManualClock) -> None:
    server, url = dead
    async with cut_off(url, clock, limit=5) as quota:
        assert await spend(quota, "alice", 10) == 5
        assert server.connections == 1
        clock.advance(2)
        await refusal(quota, "alice")
        assert server.connections == 2


async def test_writes_at_once_ask_a_dead_redis_once(dead: tuple[DeadRedis, str], clock: ManualClock) -> None:
    server, url = dead
    async with cut_off(url, clock, limit=50) as quota:
        await asyncio.gather(*(quota.spend("alice") for _ in range(50)))
        assert server.connections == 1


async def test_a_redis_that_never_answers_is_waited_for_a_moment_only(
    dead: tuple[DeadRedis, str], clock: ManualClock
) -> None:
    server, url = dead
    server.answers = False
    async with asyncio.timeout(5), cut_off(url, clock, limit=5, seconds=0.05) as quota:
        assert await spend(quota, "alice", 10) == 5


async def test_the_service_gives_its_connections_back(make_api: MakeApi, redis_url: str) -> None:
    proxy = Proxy(redis_url)
    await proxy.restore()
    try:
        async with make_api(CACHE_URL=proxy.url, RATE_LIMIT="10/minute") as api:
            assert "ratelimit" in (await api.share("abc", "twitter")).headers
            assert proxy.connections
        async with asyncio.timeout(10):
            await proxy.left()
    finally:
        await proxy.end()


async def test_a_cancelled_wait_does_not_mix_up_answers(redis: GuardedRedis, clock: ManualClock) -> None:
    quota, _ = shared_quota(redis, clock)
    waiting = [asyncio.create_task(quota.spend(f"user-{number}")) for number in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(not isinstance(answer, BaseException) and answer.remaining == 99 for answer in answers[1::2])
    assert await redis.client.ping() is True
