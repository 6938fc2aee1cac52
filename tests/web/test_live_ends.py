"""How a live connection ends when the client does not read, or says strange things at the wrong time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count
from sharetally.web.serving import websocket as live_sockets
from sharetally.web.serving.server import Server
from tests.web.api import Api, eventually
from tests.web.live_clients import serve

pytestmark = pytest.mark.anyio
TIMEOUT = 20.0  # seconds; only what is broken takes so long


@pytest.fixture
async def serving(api: Api) -> AsyncIterator[tuple[Server, int]]:
    async with serve(api) as found:
        yield found


@asynccontextmanager
async def connect_without_reading(api: Api, port: int) -> AsyncIterator[socket.socket]:
    """A client that follows one content and takes nothing, until there is more for it than fits on the way."""
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, _HANDSHAKE)
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 101"
        await loop.sock_sendall(
            client, _frame(Opcode.TEXT, b'{"subscribe":[{"contentType":"video","contentId":"abc"}]}')
        )
        await eventually(lambda: _is_behind(api, client))
        yield client


_HANDSHAKE = (
    b"GET /live HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)


def _frame(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


async def _is_behind(api: Api, client: socket.socket) -> bool:
    (follower,) = api.core.live._clients or (None,)
    if follower is None or not follower.topics:
        return False
    version = max(follower.topics.values()) + 1
    api.core.live.on_counts([_large_count(version)])
    return follower._catching_up is not None


def _large_count(version: int) -> Count:
    """A count whose message takes a hundred kilobytes."""
    campaigns = {f"{place:064}": version for place in range(1_500)}
    return Count(
        content=ContentRef("video", "abc"), shares=version, evidence={}, channel={}, campaign=campaigns,
        version=version, as_of=datetime.now(UTC),
    )  # fmt: skip


async def test_a_client_that_ignores_the_close_frame_does_not_delay_shutdown(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_sockets, "CLOSE_SECONDS", 0.2)
    async with serve(api) as (server, port), connect_without_reading(api, port) as client:
        await asyncio.get_running_loop().sock_sendall(client, _frame(Opcode.CLOSE, b"\x03\xe8"))
        await eventually(lambda: _nobody(api))
        async with asyncio.timeout(TIMEOUT):
            await server.shutdown()
        assert not server.server_state.connections


async def _nobody(api: Api) -> bool:
    return not api.core.live._clients


async def test_unread_pongs_are_coalesced(api: Api, serving: tuple[Server, int]) -> None:
    server, port = serving
    loop = asyncio.get_running_loop()
    async with connect_without_reading(api, port) as client, asyncio.timeout(TIMEOUT):
        (connection,) = server.server_state.connections
        unsent = connection.transport.get_write_buffer_size()
        for number in range(200):
            await loop.sock_sendall(client, b"".join(_frame(Opcode.PING, b"%0125d" % number) for _ in range(50)))
        await eventually(lambda: _answers(connection, 199))
        assert connection.transport.get_write_buffer_size() <= unsent
        last, heard = _answer(199), b""
        while last not in heard:
            heard += await loop.sock_recv(client, 65_536)
        assert heard.count(last) == 1
        assert heard.count(_answer(198)) == 0


async def _answers(connection: Any, number: int) -> bool:
    """Whether the ping of this number is the one that will be answered."""
    return bytes(connection._pong) == _answer(number)


def _answer(number: int) -> bytes:
    return Frame(Opcode.PONG, b"%0125d" % number).serialize(mask=False)


async def test_a_close_frame_after_a_ping_is_answered(api: Api, serving: tuple[Server, int]) -> None:
    loop = asyncio.get_running_loop()
    async with connect_without_reading(api, serving[1]) as client, asyncio.timeout(TIMEOUT):
        await loop.sock_sendall(client, _frame(Opcode.PING, b"?") + _frame(Opcode.CLOSE, b"\x03\xe8"))
        heard = b""
        while more := await loop.sock_recv(client, 65_536):
            heard += more
        assert heard.endswith(b"\x8a\x01?\x88\x02\x03\xe8")
