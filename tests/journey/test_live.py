"""Live counts across processes, and through the loss of what carries them: every client ends at the right number."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sharetally.adapters.migrations.runner import upgrade
from sharetally.settings import Settings
from sharetally.wiring import Core
from tests.conftest import require_service
from tests.oracle.tokens import token_signer
from tests.program import Program, fetch
from tests.services.launch import free_port
from tests.services.redis import private_redis
from tests.services.server import Server, Unavailable
from tests.web.api import Api, make_settings, start_api
from tests.web.live_clients import Client, connect_live, content_fields, open_stream, serve

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
            require_service(None, f"Redis of one's own: {reason}")
        yield server


@asynccontextmanager
async def run_counting(chosen: Settings) -> AsyncIterator[None]:
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
async def follow(port: int, contents: Sequence[str], clients: int) -> AsyncIterator[list[Client]]:
    """Clients that follow all of these and have received their present counts."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(connect_live(port)) for _ in range(clients)]
        for client in found:
            await client.subscribe(*contents)
            for _ in contents:
                await client.receive()
        yield found


async def receives_all(client: Client, contents: Sequence[str], shares: int) -> None:
    """Wait until it has received this count of each content item; versions only rise."""
    waiting, versions = {each.split("/")[1] for each in contents}, dict[str, int]()
    while waiting:
        said = await client.receive()
        assert said["version"] > versions.get(said["contentId"], -1)
        versions[said["contentId"]] = said["version"]
        if said["shareCount"] == shares:
            waiting.discard(said["contentId"])


@pytest.mark.parametrize("channel", ["redis", "amqp"])
async def test_counts_of_another_process_reach_live_clients(
    channel: str, migrated_url: str, amqp_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    cache = request.getfixturevalue("redis_url") if channel == "redis" else "memory:"
    chosen = make_settings(tmp_path, migrated_url, BROKER_URL=amqp_url, CACHE_URL=cache)
    async with (
        run_counting(chosen),
        start_api(chosen) as one,
        start_api(chosen) as other,
        serve(other) as (_, port),
        follow(port, ["video/abc"], 2) as clients,
        connect_live(port) as watching,
    ):
        await watching.send(token=other.token(scope="analytics"), subscribe="activity")
        assert await watching.receive() == {"activity": []}
        await one.share("abc", "twitter")
        for client in clients:
            assert (await client.receive_count(1))["breakdown"]["channel"] == {"twitter": 1}
        (row,) = (await watching.receive())["activity"]
        assert (row["channel"], row["shares"]) == ("twitter", 1)


async def test_clients_converge_after_redis_dies_under_load(
    own_redis: Server, migrated_file: str, tmp_path: Path
) -> None:
    contents = [f"video/{number}" for number in range(CONTENTS)]
    chosen = make_settings(tmp_path, migrated_file, CACHE_URL=own_redis.url)
    async with start_api(chosen) as api, serve(api) as (_, port), follow(port, contents, 20) as clients:
        hearing = asyncio.gather(*(receives_all(client, contents, SHARES) for client in clients))
        sharing = asyncio.gather(*(_share_all(api, content) for content in contents))
        await api.counted("video/0")
        assert own_redis.process is not None
        await asyncio.to_thread(own_redis.process.kill)
        await sharing
        await asyncio.to_thread(own_redis.process.start)
        async with asyncio.timeout(30):
            await hearing
        await _all_receive(api, contents[0], clients, SHARES + 1, within=30)  # by then it is listened to again
        for more in range(2, 7):
            await _all_receive(api, contents[0], clients, SHARES + more, within=3)  # it is read every ten seconds


async def _all_receive(api: Api, content: str, clients: Sequence[Client], shares: int, *, within: float) -> None:
    """One more share, which makes it so many."""
    assert (await api.share(content.split("/")[1], "twitter", user=f"late-{shares}")).status == 200
    async with asyncio.timeout(within):
        await asyncio.gather(*(receives_all(client, [content], shares) for client in clients))


async def _share_all(api: Api, content: str) -> None:
    for number in range(SHARES):
        said = await api.share(content.split("/")[1], "twitter", user=f"user-{number}")
        assert said.status == 200
        await asyncio.sleep(0.01)


async def test_a_reconnecting_client_converges(migrated_file: str, tmp_path: Path) -> None:
    chosen = make_settings(tmp_path, migrated_file)
    async with start_api(chosen) as api, serve(api) as (_, port):
        async with connect_live(port) as client:
            await client.subscribe("video/abc")
            version = (await client.receive())["version"]
        await api.share("abc", "twitter")
        await api.counted("video/abc")
        async with connect_live(port) as client:
            await client.send(subscribe=[content_fields("video/abc") | {"version": version}])
            await client.receive_count(1)


@dataclass
class Follower:
    """A client that reconnects with its known versions whenever it is disconnected, until it has the wanted count."""

    port: int
    goal: int
    version: int = -1
    ends: list[int | None] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def by_socket(self) -> None:
        """Over WebSocket; each end with its code."""
        heard = 0
        while heard != self.goal:
            try:
                async with connect_live(self.port) as client:
                    await client.send(
                        subscribe=[content_fields("video/abc") | ({"version": self.version} if heard else {})]
                    )
                    while heard != self.goal:
                        said = await client.receive()
                        assert said["version"] > self.version
                        self.version, heard = said["version"], said["shareCount"]
                        self.came.set()
            except ConnectionClosed as closed:
                self.ends.append(closed.rcvd.code if closed.rcvd else None)
            except InvalidStatus as refused:  # by one that is just leaving
                self.refusals.add(refused.response.status_code)

    async def by_stream(self) -> None:
        """By Server-Sent Events; each clean end as 0."""
        heard = 0
        while heard != self.goal:
            known = {"last_event_id": str(self.version)} if heard else {}
            async with open_stream(self.port, "video/abc", **known) as stream:
                if stream.status != 200:
                    self.refusals.add(stream.status)
                while stream.status == 200 and heard != self.goal and (block := await stream.block()):
                    said = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                    if "data" in said:
                        assert int(said["id"]) > self.version
                        self.version, heard = int(said["id"]), json.loads(said["data"])["shareCount"]
                        self.came.set()
                else:
                    self.ends += [0] if heard != self.goal and stream.status == 200 else []


async def test_live_clients_converge_through_a_rolling_restart(
    postgresql_url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    """SIGHUP under load with two processes: clients of an old one are asked to reconnect, and miss nothing."""
    secret, port = "known to the tests alone, and long enough", free_port()
    program = Program(
        tmp_path, DATABASE_URL=postgresql_url, BROKER_URL=amqp_url, CACHE_URL=redis_url, JWT_SECRET=secret
    )
    program.migrate()
    token, url = token_signer(secret), f"http://127.0.0.1:{port}"
    with (
        program.start_role("serve", "--port", str(port), "--processes", "2") as serve,
        program.start_role("worker"),
        program.start_role("relay"),
    ):
        await asyncio.to_thread(serve.until, lambda: fetch(f"{url}/health/ready")[0] == 200)
        before, renewed, shared = serve.children, asyncio.Event(), 0

        async def share() -> None:
            nonlocal shared
            body = {"platforms": ["twitter"]}
            who = token(f"user-{shared}")
            status, _ = await asyncio.to_thread(fetch, f"{url}/videos/abc/share", token=who, body=body)
            assert status == 200
            shared += 1

        await share()
        sockets = [Follower(port, 1_000_000) for _ in range(6)]
        streams = [Follower(port, 1_000_000) for _ in range(6)]
        everybody = [*sockets, *streams]
        async with asyncio.TaskGroup() as group:
            for each in sockets:
                group.create_task(each.by_socket())
            for each in streams:
                group.create_task(each.by_stream())
            async with asyncio.timeout(30):
                await asyncio.gather(*(each.came.wait() for each in everybody))
            serve.tell(signal.SIGHUP)
            gone = asyncio.create_task(asyncio.to_thread(serve.until, lambda: _renewed(serve.children, before)))
            gone.add_done_callback(lambda _: renewed.set())
            while not renewed.is_set():
                await share()
            await gone
            for each in everybody:
                each.goal = shared + 1
            await share()
        assert serve.stop() == 0, serve.output[-2000:]
    assert all(each.ends and set(each.ends) == {1012} for each in sockets), [each.ends for each in sockets]
    assert all(each.ends for each in streams)
    assert set().union(*(each.refusals for each in everybody)) <= {503}  # by one that is just leaving
    assert program.run("verify").out == "1 content item, drift 0\n"


def _renewed(now: set[int], before: set[int]) -> bool:
    return len(now & before) == len(before) - 2  # the rest helps multiprocessing
