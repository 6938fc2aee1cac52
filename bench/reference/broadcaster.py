"""A bare round to many clients: on a POST, this process writes one frame to all connected clients at once.

Nothing is stored, counted, checked or coalesced: this is what the kernel and one core need for so many clients.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import uvloop
from websockets.frames import Frame, Opcode

from bench.process import responds, run_process
from tests.services.launch import free_port

NAME = "live0"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Broadcaster:
    """The number of rounds, and the connected clients."""

    def __init__(self) -> None:
        self.done = 0
        self.clients: set[asyncio.Transport] = set()

    def frame(self) -> bytes:
        """A frame as long as one of ours."""
        text = (
            f'{{"contentType":"video","contentId":"{NAME}","shareCount":{self.done},"breakdown":{{"declared":{self.done}}},'
            f'"version":{1_700_000_000_000_000 + self.done},"asOf":"2026-01-01T00:00:00.000000Z"}}'
        )
        return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)

    def broadcast(self) -> None:
        """Send one more round."""
        self.done += 1
        frame = self.frame()
        for client in self.clients:
            client.write(frame)


class Connection(asyncio.Protocol):
    """A client that follows, or one that posts; each request arrives as a whole."""

    def __init__(self, rounds: Broadcaster) -> None:
        self._rounds = rounds
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if data.startswith(b"GET /live"):
            self._transport.write(SWITCH)
        elif data[0] & 0x80:  # the subscription
            self._rounds.clients.add(self._transport)
            self._transport.write(self._rounds.frame())
        else:
            if data.startswith(b"POST"):
                self._rounds.broadcast()
            self._transport.write(ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._rounds.clients.discard(self._transport)


@asynccontextmanager
async def run_broadcaster(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Its port and its process."""
    port = free_port()
    async with run_process(
        "bench.reference.broadcaster",
        str(port),
        log=folder / "rounds.log",
        settings={},
        ready=lambda: responds(port, "/"),
    ) as process:
        yield port, process.pid


async def _serve(port: int) -> None:
    told = Broadcaster()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(told), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
