"""Live counts across processes, and through the loss of what carries them: every client ends at the right number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from sharetally.adapters.migrations.runner import upgrade
from sharetally.settings import Settings
from sharetally.wiring import Core
from tests.conftest import needed
from tests.services.redis import private_redis
from tests.services.server import Server, Unavailable
from tests.web.api import Api, opened, settings
from tests.web.live import Client, following, named, served

pytestmark = pytest.mark.anyio

CONTENTS = 10
SHARES = 60  # of each content


@pytest.fixture
def migrated_url(postgresql_url: str) -> str:
    upgrade(postgresql_url)
    return postgresql_url


@pytest.fixture
def migrated_file(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/sharetally.db"
    upgrade(url)
    return url


@pytest.fixture
def own_redis() -> Iterator[Server]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(private_redis())
        except Unavailable as reason:
            needed(None, f"Redis of one's own: {reason}")
        yield server


@asynccontextmanager
async def counting(chosen: Settings) -> AsyncIterator[None]:
    """A worker as a process of its own would be: it shares nothing with the API but the servers."""
    stop = asyncio.Event()
    async with Core(chosen, role="worker") as core:
        workers = [core.start(core.worker(each).run(stop), each.queue.name) for each in core.consumers]
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait(workers)


@asynccontextmanager
async def followed(port: int, contents: Sequence[str], clients: int) -> AsyncIterator[list[Client]]:
    """So many clients that follow all of these, and have heard how they stand."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(following(port)) for _ in range(clients)]
        for client in found:
            await client.subscribe(*contents)
            for _ in contents:
                await client.hears()
        yield found


async def hears_all(client: Client, contents: Sequence[str], shares: int) -> None:
    """Wait until it was told this count of each; versions only rise."""
    waiting, versions = {each.split("/")[1] for each in contents}, dict[str, int]()
    while waiting:
        said = await client.hears()
        assert said["version"] > versions.get(said["contentId"], -1)
        versions[said["contentId"]] = said["version"]
        if said["shareCount"] == shares:
            waiting.discard(said["contentId"])


@pytest.mark.parametrize("channel", ["redis", "amqp"])
async def test_a_worker_elsewhere_moves_what_clients_here_see(
    channel: str, migrated_url: str, amqp_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    cache = request.getfixturevalue("redis_url") if channel == "redis" else "memory:"
    chosen = settings(tmp_path, migrated_url, BROKER_URL=amqp_url, CACHE_URL=cache)
    async with (
        counting(chosen),
        opened(chosen) as one,
        opened(chosen) as other,
        served(other) as (_, port),
        followed(port, ["video/abc"], 2) as clients,
        following(port) as watching,
    ):
        await watching.say(token=other.token(scope="analytics"), subscribe="activity")
        assert await watching.hears() == {"activity": []}
        await one.share("abc", "twitter")
        for client in clients:
            assert (await client.hears_count(1))["breakdown"]["channel"] == {"twitter": 1}
        (row,) = (await watching.hears())["activity"]
        assert (row["channel"], row["shares"]) == ("twitter", 1)


async def test_redis_dies_under_load_and_every_client_ends_at_the_right_number(
    own_redis: Server, migrated_file: str, tmp_path: Path
) -> None:
    contents = [f"video/{number}" for number in range(CONTENTS)]
    chosen = settings(tmp_path, migrated_file, CACHE_URL=own_redis.url)
    async with opened(chosen) as api, served(api) as (_, port), followed(port, contents, 20) as clients:
        hearing = asyncio.gather(*(hears_all(client, contents, SHARES) for client in clients))
        sharing = asyncio.gather(*(_share_all(api, content) for content in contents))
        await api.counted("video/0")
        assert own_redis.switch is not None
        await asyncio.to_thread(own_redis.switch.kill)
        await sharing
        await asyncio.to_thread(own_redis.switch.start)
        async with asyncio.timeout(30):
            await hearing


async def _share_all(api: Api, content: str) -> None:
    for number in range(SHARES):
        said = await api.share(content.split("/")[1], "twitter", user=f"user-{number}")
        assert said.status == 200
        await asyncio.sleep(0.01)


async def test_a_client_that_comes_back_with_its_version_ends_at_the_right_number(
    migrated_file: str, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, migrated_file)
    async with opened(chosen) as api, served(api) as (_, port):
        async with following(port) as client:
            await client.subscribe("video/abc")
            version = (await client.hears())["version"]
        await api.share("abc", "twitter")
        await api.counted("video/abc")
        async with following(port) as client:
            await client.say(subscribe=[named("video/abc") | {"version": version}])
            await client.hears_count(1)
