"""Requests at a steady pace, whatever the answers do: an open loop, free of coordinated omission.

Every millisecond the requests that are due go out, on connections that are free or on new ones. An answer's
time counts from the moment in which its request was due, so waiting for a connection, or this client's own
lateness, is part of it. It runs as a process of its own: `python -m bench.load.steady PORT RATE SECONDS TOKENS`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import uvloop

from bench.load.tokens import VIDEOS

TICK = 0.001  # seconds
CONNECTIONS = 512  # more requests would only wait in another queue
BODY = b'{"platforms":["twitter","whatsapp"]}'


class OpenLoop:
    """The requests that are due, the connections that are free, and how long each answer took."""

    def __init__(self, heads: Sequence[bytes]) -> None:
        self.times: list[float] = []
        self.failed: list[str] = []
        self._heads = heads
        self._due: deque[float] = deque()
        self._free: list[Connection] = []
        self._chance = random.Random(1)  # the same requests in every round
        self._wanted = 0
        self._all = asyncio.Event()

    async def wait_for_responses(self, wanted: int) -> None:
        """Return once this many answers have arrived."""
        self._wanted = wanted
        if len(self.times) < wanted:
            await self._all.wait()

    def record_time(self, seconds: float) -> None:
        """An answer has arrived."""
        self.times.append(seconds)
        if len(self.times) == self._wanted:
            self._all.set()

    def release(self, line: Connection) -> None:
        """A connection that can send again."""
        if self._due:
            line.send(self._request(), self._due.popleft())
        else:
            self._free.append(line)

    def schedule(self, at: float) -> None:
        """One more request, due at this moment of the loop's clock."""
        if self._free:
            self._free.pop().send(self._request(), at)
        else:
            self._due.append(at)

    def _request(self) -> bytes:
        chance = self._chance
        return b"POST /videos/v%d%b" % (chance.randrange(VIDEOS) + 1, chance.choice(self._heads))


class Connection(asyncio.Protocol):
    """A connection: one request at a time."""

    def __init__(self, loop_state: OpenLoop) -> None:
        self._loop_state = loop_state
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop_state.release(self)

    def send(self, request: bytes, due: float) -> None:
        """Send the request that was due at that time."""
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not is_complete(self._received):
            return
        if self._received[9:12] != b"200":
            self._loop_state.failed.append(self._received[:200].decode("latin-1"))
        self._loop_state.record_time(self._loop.time() - self._due)
        self._received = b""
        self._loop_state.release(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._received:
            self._loop_state.failed.append("the connection ended")

    def close(self) -> None:
        """Close the connection."""
        assert self._transport is not None
        self._transport.close()


def is_complete(received: bytes) -> bool:
    """Whether an answer is complete."""
    head, gap, body = received.partition(b"\r\n\r\n")
    if not gap:
        return False
    at = head.lower().index(b"content-length:") + 15
    return len(body) >= int(head[at:].split(b"\r\n", 1)[0])


async def run_steady(port: int, rate: float, seconds: float, tokens: Sequence[str]) -> dict[str, object]:
    """Send requests at this rate for this time, and wait for every answer."""
    loop, loop_state = asyncio.get_running_loop(), OpenLoop([_head(token) for token in tokens])
    lines = [
        (await loop.create_connection(lambda: Connection(loop_state), "127.0.0.1", port))[1] for _ in range(CONNECTIONS)
    ]
    began, sent, wanted = loop.time(), 0, int(rate * seconds)
    while sent < wanted:
        tick = int((loop.time() - began) / TICK)
        ready = min(wanted, int((tick + 1) * TICK * rate))
        for number in range(sent, ready):
            loop_state.schedule(began + int(number / rate / TICK) * TICK)
        sent = ready
        await asyncio.sleep(began + (tick + 1) * TICK - loop.time())
    await loop_state.wait_for_responses(wanted)
    for line in lines:
        line.close()
    return {"answers": len(loop_state.times), "failed": loop_state.failed[:5], **percentiles(loop_state.times)}


def percentiles(times: Sequence[float]) -> dict[str, float]:
    """The percentiles in milliseconds."""
    ordered = sorted(times)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))] for name, part in at.items()}


def _head(token: str) -> bytes:
    lines = ["/share HTTP/1.1", "Host: bench", "Content-Type: application/json", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, f"Content-Length: {len(BODY)}", "", ""]).encode() + BODY


def main(port: str, rate: str, seconds: str, tokens: str) -> None:
    """Print the result as JSON."""
    users = Path(tokens).read_text().split()
    print(json.dumps(uvloop.run(run_steady(int(port), float(rate), float(seconds), users))))


if __name__ == "__main__":
    main(*sys.argv[1:])
