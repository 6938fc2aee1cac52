"""The stream of one content's count: snapshot, changes, coming back by version, and the clean end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.web.live import credentials as live_credentials
from sharetally.web.live import event_stream as live_event_stream
from sharetally.web.serving import server
from sharetally.web.serving.server import Server
from tests.web.api import Api, eventually, problem
from tests.web.browser import sign_in
from tests.web.conftest import MakeApi
from tests.web.live_clients import open_stream, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def serving(api: Api) -> AsyncIterator[tuple[Server, int]]:
    async with serve(api) as found:
        yield found


async def test_the_current_count_comes_first_and_then_every_change(api: Api, serving: tuple[Server, int]) -> None:
    await api.share("abc", "twitter")
    shown = await api.counted("video/abc")
    async with open_stream(serving[1], "video/abc") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert (await stream.block()).startswith("retry: ")
        first = await stream.event()
        assert (first.id, first.data) == (shown["version"], shown)
        await api.share("abc", "whatsapp")
        second = await stream.event()
        assert second.data["shareCount"] == 2
        assert second.id == second.data["version"] > first.id


async def test_a_reconnect_with_the_current_version_gets_only_changes(api: Api, serving: tuple[Server, int]) -> None:
    await api.share("abc", "twitter")
    version = (await api.counted("video/abc"))["version"]
    async with open_stream(serving[1], "video/abc", last_event_id=str(version)) as stream:
        await stream.block()
        await api.share("abc", "whatsapp")
        assert (await stream.event()).data["shareCount"] == 2
    for other in (str(version), "nonsense", str(version + 10**9)):
        async with open_stream(serving[1], "video/abc", last_event_id=other) as stream:
            assert (await stream.event()).data["shareCount"] == 2


async def test_idle_streams_send_comments(serving: tuple[Server, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_event_stream, "HEARTBEAT_SECONDS", 0.05)
    async with open_stream(serving[1], "video/abc") as stream:
        await stream.event()
        assert await stream.block() == ":"
        assert await stream.block() == ":"


async def test_shutdown_ends_streams_with_a_retry_delay(serving: tuple[Server, int]) -> None:
    server, port = serving
    async with open_stream(port, "video/abc") as stream:
        retry = int((await stream.block()).removeprefix("retry: "))
        assert 1000 <= retry <= 4000
        await stream.event()
        ended = asyncio.create_task(server.shutdown())
        assert await stream.block() == ""
    await ended


async def test_a_client_connecting_during_shutdown_gets_a_retry_delay(
    api: Api, serving: tuple[Server, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    know = api.core.live.ensure_loaded

    async def known_at_last(contents: Collection[ContentRef]) -> None:
        await know(contents)
        api.core.live.disconnect_all()

    monkeypatch.setattr(api.core.live, "ensure_loaded", known_at_last)
    async with open_stream(serving[1], "video/abc") as stream:
        assert stream.status == 200
        assert (await stream.block()).startswith("retry: ")
        assert await stream.block() == ""


async def test_a_disconnected_client_is_removed(api: Api, serving: tuple[Server, int]) -> None:
    async with open_stream(serving[1], "video/abc") as stream:
        await stream.event()
        assert len(api.core.live._clients) == 1

    async def gone() -> bool:
        return not api.core.live._clients

    await eventually(gone)


async def test_a_client_that_does_not_read_is_removed_and_its_connection_dropped(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_event_stream, "WRITE_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(server, "UNREAD_SECONDS", 1)

    async def cut_off() -> bool:
        return not _known_to_the_kernel(port, stuck)

    async with serve(api) as (_, port), open_stream(port, "video/abc") as quick:
        await quick.event()
        with closing(_that_reads_nothing(port)) as stuck:
            await eventually(lambda: _clients(api, 2))
            assert not await cut_off()
            for version in range(1, 61):
                api.core.live.on_counts([_much(version)])
                assert (await quick.event()).id == version
            await eventually(lambda: _clients(api, 1))
            await eventually(cut_off)
        api.core.live.on_counts([_much(100)])
        assert (await quick.event()).id == 100


def _known_to_the_kernel(port: int, client: socket.socket) -> bool:
    """Whether the server's end is still there; to the client its end says nothing."""
    return f":{port:04X} 0100007F:{client.getsockname()[1]:04X} " in Path("/proc/net/tcp").read_text()


def _that_reads_nothing(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /share-links/count/video/abc/live HTTP/1.1\r\nhost: here\r\n\r\n")
    return client


async def _clients(api: Api, number: int) -> bool:
    return len(api.core.live._clients) == number


def _much(version: int) -> Count:
    """A count whose message takes a hundred kilobytes."""
    campaigns = {f"{place:064}": version for place in range(1_500)}
    return Count(
        content=ContentRef("video", "abc"), shares=version, evidence={}, channel={}, campaign=campaigns,
        version=version, as_of=datetime.now(UTC),
    )  # fmt: skip


async def test_a_refused_stream_is_a_problem_document(make_api: MakeApi) -> None:
    async with make_api(LIVE_CLIENTS="1") as api, serve(api) as (_, port):
        path = "/share-links/count/{}/live"
        problem(await api.request("GET", path.format("Video!/abc")), 400, "invalid-request")
        problem(await api.request("GET", path.format("video/abc") + "?x=1"), 400, "invalid-request")
        stranger = {"origin": "https://elsewhere.example", "host": "here"}
        problem(await api.request("GET", path.format("video/abc"), headers=stranger), 403, "forbidden")
        async with open_stream(port, "video/abc") as stream:
            await stream.event()
            problem(await api.request("GET", path.format("video/abc")), 503, "unavailable")


async def test_head_has_the_headers_of_get(api: Api) -> None:
    response = await api.request("HEAD", "/share-links/count/video/abc/live")
    assert (response.status, response.body) == (200, b"")


async def test_without_public_counts_it_needs_a_token(make_api: MakeApi) -> None:
    async with make_api(PUBLIC_COUNTS="off") as api, serve(api) as (_, port):
        problem(await api.request("GET", "/share-links/count/video/abc/live", user=None), 401, "unauthenticated")
        async with open_stream(port, "video/abc", authorization=f"Bearer {api.token()}") as stream:
            assert (await stream.event()).data["shareCount"] == 0


async def test_where_counts_need_a_credential_its_end_ends_the_stream(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_credentials, "CHECK_SECONDS", 0.05)
    async with make_api(PUBLIC_COUNTS="off") as api, serve(api) as (_, port):
        browser = await sign_in(api, "mara", "analytics")
        cookie = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
        headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        async with open_stream(port, "video/abc", **headers) as stream:
            assert (await stream.event()).data["shareCount"] == 0
            assert (await browser.request("DELETE", "/console/session")).status == 204
            assert await stream.block() == ""
