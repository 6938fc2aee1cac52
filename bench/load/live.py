"""Live clients on raw sockets, and shares at a steady pace: how long until each client sees each share.

A client that skips a version has seen all before it: counts are absolute. Time counts from the moment in which a
share's request is sent. It runs as a process of its own: `python -m bench.load.live` with its task as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import cast

import psutil
import uvloop
from websockets.frames import Frame, Opcode

from bench.load.steady import percentiles
from tests.oracle.tokens import token_signer

HANDSHAKE = (
    b"GET /live HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36\r\n"
    b"Accept-Language: de,en;q=0.7\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n"
)
AT_ONCE = 200  # clients that connect at the same time
TIMEOUT = 60.0  # seconds for the last client to see the last share
_COUNT = re.compile(rb'"contentId":"([^"]+)","shareCount":(\d+)')


@dataclass(frozen=True, kw_only=True)
class LiveLoad:
    """`clients` follow all `contents`; `shares` of them follow each other, a share each `pause` seconds.

    With `one_by_one`, each share waits until all clients have seen the one before, and `pause` seconds more.
    The first `warm` shares are not timed. Nothing is ever read from `stuck` more clients. `pid` is the server's.
    """

    port: int
    secret: str
    pid: int
    clients: int
    contents: int
    shares: int
    pause: float
    warm: int = 0
    stuck: int = 0
    one_by_one: bool = False


class LiveClients:
    """The clients, and when each share was sent."""

    def __init__(self, contents: int) -> None:
        self.names = [b"live%d" % number for number in range(contents)]
        self.sent: dict[bytes, list[float]] = {name: [] for name in self.names}
        self.timed: dict[bytes, int] = dict.fromkeys(self.names, 0)  # the shares before these are not timed
        self.before: dict[bytes, int] = {}
        self.sights: list[tuple[float, bytes, int, int]] = []
        self.read: dict[bytes, tuple[bytes, int]] = {}  # the payload of a frame, which is the same for all clients
        self.expected = 0
        self.arrived = 0
        self.last = 0.0
        self.all_seen = asyncio.Event()
        self.clock = time.perf_counter  # because the event loop's own timer has a resolution of a millisecond only

    def subscription(self) -> bytes:
        wanted = [{"contentType": "video", "contentId": name.decode()} for name in self.names]
        return Frame(Opcode.TEXT, json.dumps({"subscribe": wanted}).encode()).serialize(mask=True)

    def send(self, name: bytes, *, timed: bool) -> None:
        """A share is sent."""
        if not timed:
            self.timed[name] += 1
        self.sent[name].append(self.clock())
        self.all_seen.clear()

    def record_update(self, name: bytes, upto: int, known: int) -> None:
        """One client sees all shares after `known`, up to `upto`."""
        self.last = self.clock()
        self.sights.append((self.last, name, known, upto))
        self.arrived += upto - known
        if self.arrived == self.expected:
            self.all_seen.set()

    def times(self) -> list[float]:
        """The seconds from each timed share until each client has seen it."""
        return [
            at - self.sent[name][number]
            for at, name, known, upto in self.sights
            for number in range(max(known, self.timed[name]), upto)
        ]


class Follower(asyncio.Protocol):
    """One client."""

    def __init__(self, crowd: LiveClients, ready: asyncio.Future[None]) -> None:
        self._crowd = crowd
        self._ready = ready
        self._transport: asyncio.Transport | None = None
        self._known: dict[bytes, int] = {}
        self._rest = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if not self._rest and (said := self._crowd.read.get(data)) is not None:
            return self._told(*said)
        data = self._rest + data
        if not self._open:
            head, gap, data = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101"), head
            assert self._transport is not None
            if not gap:
                self._rest = head
                return None
            self._open = True
            self._transport.write(self._crowd.subscription())
        self._rest = self._frames(data)

    def _frames(self, data: bytes) -> bytes:
        while len(data) >= 4:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4]), 4
            if len(data) < start + size:
                break
            if data[0] & 15 == Opcode.PING:
                assert self._transport is not None
                self._transport.write(Frame(Opcode.PONG, data[start : start + size]).serialize(mask=True))
            else:
                self._read(data[: start + size])
            data = data[start + size :]
        return data

    def _read(self, frame: bytes) -> None:
        if (found := _COUNT.search(frame)) is not None:
            said = self._crowd.read[frame] = found[1], int(found[2])
            self._told(*said)

    def _told(self, name: bytes, shares: int) -> None:
        if name not in self._known:
            self._crowd.before.setdefault(name, shares)
            if len(self._known) + 1 == len(self._crowd.names) and not self._ready.done():
                self._ready.set_result(None)
        else:
            before = self._crowd.before[name]
            self._crowd.record_update(name, shares - before, self._known[name] - before)
        self._known[name] = shares


async def connected(crowd: LiveClients, port: int, clients: int) -> list[asyncio.BaseTransport]:
    """The given number of clients; each has received all present counts."""
    loop, found = asyncio.get_running_loop(), list[asyncio.BaseTransport]()
    for start in range(0, clients, AT_ONCE):
        ready = [loop.create_future() for _ in range(min(AT_ONCE, clients - start))]
        made = [loop.create_connection(lambda each=each: Follower(crowd, each), "127.0.0.1", port) for each in ready]  # type: ignore[misc]
        found += [transport for transport, _ in await asyncio.gather(*made)]
        await asyncio.gather(*ready)
    return found


def open_stuck_client(crowd: LiveClients, port: int) -> socket.socket:
    """A client that follows everything and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", port))
    client.sendall(HANDSHAKE + crowd.subscription())
    return client


class Sharer:
    """Sends shares over a few connections, each share by a different user."""

    def __init__(self, task: LiveLoad) -> None:
        self._port = task.port
        self._token = token_signer(task.secret)
        self._numbers = count()
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def share(self, crowd: LiveClients, name: bytes, *, timed: bool) -> None:
        token = self._token(f"{crowd.names[0].decode()}-{crowd.clock():.6f}-{next(self._numbers)}")
        body = b'{"platforms":["twitter"]}'
        head = f"POST /videos/{name.decode()}/share HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n"
        request = head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        crowd.send(name, timed=timed)
        while not await self._answered(request):
            pass

    async def _answered(self, request: bytes) -> bool:
        """Whether it was; a connection that was idle for long may have been closed, and nothing was carried out."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        assert answer.startswith(b"HTTP/1.1 200"), answer
        await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", answer)[1]))  # type: ignore[index]
        self._free.append((reader, writer))
        return True


async def run(task: LiveLoad) -> dict[str, float]:
    """Run the whole load; times in milliseconds. `round`: the median until all clients saw a share sent alone."""
    crowd, sharer = LiveClients(task.contents), Sharer(task)
    loop = asyncio.get_running_loop()
    empty, began = resident(task.pid), loop.time()
    transports = await connected(crowd, task.port, task.clients)
    took, full = loop.time() - began, resident(task.pid)
    behind = [open_stuck_client(crowd, task.port) for _ in range(task.stuck)]
    crowd.expected = task.clients * task.shares
    begin, sharing, rounds = loop.time(), list[asyncio.Task[None]](), list[float]()
    for number in range(task.shares):
        wait = task.pause if task.one_by_one else begin + number * task.pause - loop.time()
        await asyncio.sleep(max(0.0, wait))
        name = crowd.names[number % task.contents]
        sharing.append(asyncio.create_task(sharer.share(crowd, name, timed=number >= task.warm)))
        if task.one_by_one:
            crowd.expected = task.clients * (number + 1)
            await sharing[-1]
            await asyncio.wait_for(crowd.all_seen.wait(), TIMEOUT)
            rounds.append(crowd.last - crowd.sent[name][-1])
    await asyncio.gather(*sharing)
    if crowd.arrived != crowd.expected:
        await asyncio.wait_for(crowd.all_seen.wait(), TIMEOUT)
    newest = max(times[-1] for times in crowd.sent.values() if times)
    for client in behind:
        client.close()
    for transport in transports:
        cast(asyncio.Transport, transport).abort()
    told = {"connect": took, "bytes": (full - empty) / task.clients, "last": 1000 * (crowd.last - newest)}
    if rounds:
        told["round"] = 1000 * median(rounds)
    return {**told, **percentiles(crowd.times())}


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return psutil.Process(pid).memory_info().rss


async def run_in_process(task: LiveLoad, root: Path) -> dict[str, float]:
    """Run it in its own process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load.live", json.dumps(asdict(task)), cwd=root,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, "the live clients failed"
    found: dict[str, float] = json.loads(out)
    return found


def main(arguments: Sequence[str]) -> None:
    print(json.dumps(uvloop.run(run(LiveLoad(**json.loads(arguments[0]))))))


if __name__ == "__main__":
    main(sys.argv[1:])
