"""The server's shutdown: every request that was sent is answered, and an idle client sees an end, not a reset."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from sharetally.web.serving import server as serving
from sharetally.web.serving.connection import HttpConnection
from sharetally.web.serving.server import Server

pytestmark = pytest.mark.anyio

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class Hello:
    """Says hello, once it may; `served` counts."""

    def __init__(self) -> None:
        self.served = 0
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.may.wait()
        self.served += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def run_server(app: Hello, *, keep_alive: int = 5) -> AsyncIterator[tuple[Server, int]]:
    """A server that takes connections; ended at the end, unless the test did so."""
    config = uvicorn.Config(
        app, http=HttpConnection, ws="none", lifespan="off", log_config=None, timeout_keep_alive=keep_alive
    )
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    door = socket.create_server(("127.0.0.1", 0))
    port = door.getsockname()[1]
    await server.startup([door])
    await server.on_tick(0)
    try:
        yield server, port
    finally:
        await server.shutdown([door])


def connected(port: int) -> socket.socket:
    """A client's connection; made by the kernel alone, whatever the server is doing."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


async def read_all(client: socket.socket) -> bytes:
    """What comes next; nothing at the end."""
    return await asyncio.to_thread(client.recv, 65_536)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def keep_alive_connection(port: int) -> socket.socket:
    """A connection that has had an answer, and may have another."""
    client = connected(port)
    client.sendall(REQUEST)
    assert b"connection: close" not in await read_all(client)
    return client


async def begin_shutdown(server: Server) -> Awaitable[None]:
    """The server's end, begun."""
    task = asyncio.create_task(server.shutdown())
    await asyncio.sleep(0)
    return task


async def test_pending_connections_are_answered_at_shutdown() -> None:
    """The kernel has taken these connections, the server has not: closing its socket would reset them."""
    async with run_server(Hello()) as (server, port):
        clients = [connected(port) for _ in range(20)]
        for client in clients:
            client.sendall(REQUEST)
        ended = await begin_shutdown(server)
        for client in clients:
            with client:
                response = await read_all(client)
                assert b"connection: close" in response
                assert response.endswith(b"hello")
        with pytest.raises(ConnectionRefusedError):
            connected(port)
        await ended


async def test_a_request_after_the_end_began_is_answered_as_the_last() -> None:
    async with run_server(Hello()) as (server, port):
        with await keep_alive_connection(port) as client:
            ended = await begin_shutdown(server)
            client.sendall(REQUEST)
            response = await read_all(client)
            assert b"connection: close" in response
            assert response.endswith(b"hello")
            assert await read_all(client) == b""
        await ended


async def test_a_request_in_hand_is_answered_as_the_last() -> None:
    app = Hello()
    async with run_server(app) as (server, port):
        with await keep_alive_connection(port) as client:
            app.may.clear()
            client.sendall(REQUEST)
            await wait_until(lambda: bool(server.server_state.tasks))
            ended = await begin_shutdown(server)
            app.may.set()
            assert b"connection: close" in await read_all(client)
        await ended


async def test_idle_connections_are_closed_and_late_requests_are_not_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DRAIN_SECONDS", 0.1)
    app = Hello()
    async with run_server(app) as (server, port):
        with await keep_alive_connection(port) as client:
            ended = await begin_shutdown(server)
            assert await read_all(client) == b""
            client.sendall(REQUEST)  # as one that was on its way
            await ended
            assert await read_all(client) == b""  # and no reset
    assert app.served == 1


async def test_a_request_that_came_as_its_connection_ran_out_of_time_is_answered() -> None:
    async with run_server(Hello(), keep_alive=1) as (server, port):
        with await keep_alive_connection(port) as client:
            (connection,) = server.server_state.connections
            assert isinstance(connection, HttpConnection)
            client.sendall(REQUEST)
            connection.timeout_keep_alive_handler()  # before the loop has come to read
            assert (await read_all(client)).endswith(b"hello")
            assert await read_all(client) == b""  # a second later
