"""A connection to a server that fails as real ones do: a TCP proxy that is controlled while connections are open.

It passes everything until it is switched: `stall` (nothing is transferred, and neither side is notified), `throttle`,
`reset`, `cut` (unreachable until repaired), `cut_reply` (a request arrives, its reply never does, the connection
ends). Stalls and delays may affect one direction only. It keeps its port from beginning to end, also while it is cut.
Everything that it starts ends with it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Flag, auto
from urllib.parse import urlsplit

CHUNK = 65_536  # bytes that travel at once
TICK = 0.05  # seconds between two chunks on a slow line
LONGEST = 100  # bytes of what is awaited
_PORTS = {"amqp": 5672, "mysql": 3306, "postgresql": 5432, "redis": 6379}
_NO_GOODBYE = struct.pack("ii", 1, 0)  # SO_LINGER: end by a reset


class Direction(Flag):
    """A direction."""

    TO_SERVER = auto()
    TO_CLIENT = auto()
    BOTH = TO_SERVER | TO_CLIENT


class Proxy:
    """A proxy in front of `server`; `url` is the server's address through the proxy."""

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._lines: set[_Line] = set()
        self._listener: asyncio.Server | None = None
        self._keeper = _kept_port()
        self._stalled = Direction(0)  # for later connections
        self._paces: dict[Direction, int] = {}
        self._catch: tuple[bytes, ...] = ()
        self._cut_then = False
        self._caught = asyncio.Event()

    @property
    def url(self) -> str:
        """The server's URL by way of this line."""
        port = self._keeper.getsockname()[1]
        who, at, _ = self._server.netloc.rpartition("@")
        return self._server._replace(netloc=f"{who}{at}127.0.0.1:{port}").geturl()

    async def restore(self) -> None:
        """Take connections."""
        port = self._keeper.getsockname()[1]
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", port, reuse_port=True)

    async def cut(self) -> None:
        """Close every connection at once, and refuse new ones until it is repaired."""
        self._refuse()
        while self._lines:
            await asyncio.wait([asyncio.ensure_future(line.ended.wait()) for line in self._lines])

    def reset(self) -> None:
        """End every connection at once; new ones are welcome."""
        for line in self._lines:
            line.reset()

    def stall(self, way: Direction = Direction.BOTH, *, new_connections: bool = True) -> None:
        """Let nothing pass in this direction, and notify neither side; `new_connections` affects later ones in both."""
        self._stalled = way if new_connections else Direction(0)
        for line in self._lines:
            line.stall(way)

    def release(self) -> None:
        """Let everything through, as fast as it comes: what was held back first."""
        self._stalled = Direction(0)
        self._paces = {}
        for line in self._lines:
            line.stall(Direction(0))

    def throttle(self, bytes_a_second: int, way: Direction = Direction.BOTH) -> None:
        """Let no more than this through that way, on each connection."""
        self._paces |= dict.fromkeys(way, bytes_a_second)

    def cut_reply(self, *requests: bytes, stay_away: bool = False) -> None:
        """The next request that contains these bytes arrives, and its reply is lost with the connection.

        If there are several on one connection, it is the last of them; if there is none, the next request of any
        kind. With `stay_away`, all connections are cut at that moment, and new ones are refused until it is repaired.
        """
        self._catch, self._cut_then = requests or (b"",), stay_away
        self._caught.clear()
        for line in self._lines:
            line.forget()

    async def wait_for_reply_cut(self) -> None:
        """Return once that has happened."""
        await self._caught.wait()

    def inject(self, words: bytes) -> None:
        """Slip in what the server might say, on every connection."""
        for line in self._lines:
            line.inject(words)

    @property
    def connections(self) -> int:
        """How many there are just now."""
        return len(self._lines)

    async def left(self) -> None:
        """Return once there are no connections any more."""
        for line in list(self._lines):
            await line.ended.wait()

    async def end(self) -> None:
        """End all of it, and give the port back."""
        await self.cut()
        self._keeper.close()

    def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(self, reader, writer)
        line.stall(self._stalled)
        if self._listener is None:  # it was cut in the moment in which somebody came
            line.reset()
        self._lines.add(line)
        try:
            await line.run(self._server.hostname or "127.0.0.1", self._server.port or _PORTS[self._server.scheme])
        finally:
            self._lines.discard(line)
            line.ended.set()

    def pace(self, way: Direction) -> int | None:
        """Bytes a second, if it is bounded."""
        return self._paces.get(way)

    def awaited(self, heard: int) -> bytes | None:
        """What a connection that has sent this many of the awaited requests must send next for its reply to be lost."""
        return self._catch[heard] if heard < len(self._catch) else None

    def catch(self, heard: int) -> bool:
        """Whether that was the last of them; after that, no other reply is lost."""
        if heard < len(self._catch):
            return False
        self._catch = ()
        return True

    def caught(self) -> None:
        """The reply came this far."""
        if self._cut_then:
            self._refuse()
        self._caught.set()


class _Line:
    """One connection: two streams, each with a gate."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.ended = asyncio.Event()
        self._proxy = proxy
        self._reader = reader
        self._client = client
        self._gates = {way: asyncio.Event() for way in Direction.BOTH}
        self._reset = asyncio.Event()
        self._told = b""  # the end of what the client sent, where the awaited bytes may begin
        self._heard = 0  # how much of it was sent
        self._loses_reply = False

    def reset(self) -> None:
        self._reset.set()

    def forget(self) -> None:
        self._heard = 0

    def stall(self, ways: Direction) -> None:
        for way, gate in self._gates.items():
            gate.clear() if way in ways else gate.set()

    def inject(self, words: bytes) -> None:
        self._client.write(words)

    async def run(self, host: str, port: int) -> None:
        """Transfer in both directions until one side closes, which is passed on, or until both sides are reset."""
        writers = [self._client]
        tasks: list[asyncio.Future[object]] = [asyncio.ensure_future(self._reset.wait())]
        try:
            reader, server = await asyncio.open_connection(host, port)
            writers.append(server)
            tasks.append(asyncio.ensure_future(self._pump(self._reader, server, Direction.TO_SERVER)))
            tasks.append(asyncio.ensure_future(self._pump(reader, self._client, Direction.TO_CLIENT)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not self._reset.is_set():
                tasks.append(asyncio.ensure_future(self._leave(writers)))
                await asyncio.wait({tasks[0], tasks[-1]}, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # the server takes no connection, so neither do we
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for writer in writers:
                _abort(writer)

    async def _leave(self, writers: list[asyncio.StreamWriter]) -> None:
        """Data that was sent before one side closed still arrives."""
        for writer in writers:
            writer.close()
        with suppress(OSError):
            await asyncio.gather(*(writer.wait_closed() for writer in writers))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        with suppress(OSError):
            while data := await self._next(reader, way):
                if way is Direction.TO_SERVER:
                    self._listen(data)
                elif self._loses_reply:
                    self.reset()
                    self._proxy.caught()
                    return
                writer.write(data)
                await writer.drain()

    async def _next(self, reader: asyncio.StreamReader, way: Direction) -> bytes:
        """The next data; while the connection stalls, the end of a side is not passed on either."""
        pace = self._proxy.pace(way)
        data = await reader.read(max(1, int(pace * TICK)) if pace else CHUNK)
        if pace:
            await asyncio.sleep(len(data) / pace)
        await self._gates[way].wait()
        return data

    def _listen(self, data: bytes) -> None:
        said = self._told + data
        while (awaited := self._proxy.awaited(self._heard)) is not None:
            at = said.find(awaited, max(0, len(self._told) + 1 - len(awaited)))
            if at < 0:
                break
            said, self._told = said[at + len(awaited) :], b""
            self._heard += 1
            self._loses_reply = self._loses_reply or self._proxy.catch(self._heard)
        self._told = said[-LONGEST:]


def _kept_port() -> socket.socket:
    """A socket that holds a port without listening: connections are refused, and nothing else gets the port."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    keeper.bind(("127.0.0.1", 0))
    return keeper


def _abort(writer: asyncio.StreamWriter) -> None:
    line = writer.get_extra_info("socket")
    with suppress(OSError):  # it may have ended by itself
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_GOODBYE)
    writer.transport.abort()


@asynccontextmanager
async def open_proxy(server: str) -> AsyncIterator[Proxy]:
    """A line that takes connections until the context ends."""
    proxy = Proxy(server)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.end()
