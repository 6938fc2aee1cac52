"""Live counts as clients follow them: the real server on a port of its own, the real client libraries' bytes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect

from sharetally.roles import server_config
from sharetally.web.serving.server import Server
from tests.web.api import Api

TIMEOUT = 20.0  # seconds; only what is broken takes so long


class LiveApplication:
    """The application, as our server notifies it of the shutdown."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._api.app(scope, receive, send)

    def disconnect_live_clients(self) -> None:
        """As `asgi.py` does."""
        self._api.core.live.disconnect_all()


@asynccontextmanager
async def serve(api: Api) -> AsyncIterator[tuple[Server, int]]:
    """The server as `serve` sets it; ended at the end, unless the test did so."""
    config = server_config(LiveApplication(api), "127.0.0.1", 0, 1)
    config.lifespan = "off"
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    door = socket.create_server(("127.0.0.1", 0))
    port: int = door.getsockname()[1]
    await server.startup([door])
    try:
        yield server, port
    finally:
        await server.shutdown([door])


@asynccontextmanager
async def connect_live(port: int, path: str = "/live", **headers: str) -> AsyncIterator[Client]:
    """A WebSocket."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connect(
        f"ws://127.0.0.1:{port}{path}", additional_headers=fields, compression="deflate", proxy=None
    ) as connection:
        yield Client(connection)


class Client:
    """What it sends and receives, as JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: object) -> None:
        """One message."""
        await self.connection.send(json.dumps(message))

    async def subscribe(self, *contents: str, **more: object) -> None:
        """To `type/id`."""
        await self.send(subscribe=[content_fields(each) | more for each in contents])

    async def receive(self) -> Any:
        """The next message."""
        async with asyncio.timeout(TIMEOUT):
            return json.loads(await self.connection.recv())

    async def receive_count(self, shares: int) -> Any:
        """The message with this count; what comes before it must be older."""
        version = -1
        while True:
            response = await self.receive()
            assert response["version"] > version, response
            version = response["version"]
            if response["shareCount"] == shares:
                return response

    async def receive_error(self, code: str) -> Any:
        """The next message is this error."""
        response = (await self.receive())["error"]
        assert response["type"].endswith(f"/problems/{code}"), response
        return response

    async def wait_closed(self) -> int | None:
        """The code that it is closed with."""
        async with asyncio.timeout(TIMEOUT):
            await self.connection.wait_closed()
        return self.connection.close_code


def content_fields(content: str) -> dict[str, str]:
    """`type/id` as messages name it."""
    kind, name = content.split("/")
    return {"contentType": kind, "contentId": name}


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    id: int
    data: Any


class Stream:
    """A stream of events, read as it comes."""

    def __init__(self, reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> None:
        self._reader = reader
        self.status = status
        self.headers = headers

    async def block(self) -> str:
        """The next lines up to an empty one; `''` at the clean end."""
        async with asyncio.timeout(TIMEOUT):
            size = int(await self._reader.readline(), 16)
            text = (await self._reader.readexactly(size + 2))[:-2].decode()
        assert text.endswith("\n\n") or not text
        return text.removesuffix("\n\n")

    async def event(self) -> Event:
        """The next event; comments and retry times are skipped."""
        while True:
            fields = dict(line.split(": ", 1) for line in (await self.block()).splitlines() if ": " in line)
            if "data" in fields:
                return Event(int(fields["id"]), json.loads(fields["data"]))


@asynccontextmanager
async def open_stream(port: int, content: str, **headers: str) -> AsyncIterator[Stream]:
    """The stream of `type/id`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET /share-links/count/{content}/live HTTP/1.1", "host: here"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        async with asyncio.timeout(TIMEOUT):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        yield Stream(reader, int(head[0].split()[1]), fields)
    finally:
        writer.close()
