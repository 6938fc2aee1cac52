"""A lean HTTP/1.1 client: one connection, one request at a time, kept alive.

The load shares its machine with the service, so this does only what the service's answers need: a status line,
headers, and a body of known length. A caller that gets no answer gets `NoResponse`, or `NotSent` if the request
cannot have had an effect. Whoever opens a connection closes it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

TIMEOUT = 30.0  # seconds for an answer
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_EMPTY = frozenset({204, 304})


class NoResponse(Exception):
    """The request may have had an effect; there was no answer."""


class NotSent(NoResponse):
    """The connection was not accepted."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; `head` is everything before the body."""

    status: int
    head: bytes
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """One header's value."""
        found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]*)", self.head, re.IGNORECASE)
        return found[1].decode() if found else None

    def __str__(self) -> str:
        return f"{self.status} {self.body[:300].decode(errors='replace')}"


class Client:
    """One connection to `host:port`, opened when first needed and again after it was lost.

    Where that one refuses it, it goes to the next of `others`, and stays there.
    """

    def __init__(
        self, port: int, *, others: Sequence[int] = (), host: str = "127.0.0.1", max_seconds: float = TIMEOUT
    ) -> None:
        self._host = host
        self._ports = deque((port, *others))
        self._max_seconds = max_seconds
        self._wire: _Wire | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def connect(self) -> None:
        """Open a connection; `NotSent` if it is not accepted."""
        if self._wire is not None and not self._wire.lost:
            return None
        refused: OSError | None = None
        for _ in range(len(self._ports)):
            try:
                return await self._connect(self._ports[0])
            except OSError as error:  # a time-out is one too
                refused = error
                self._ports.rotate(-1)
        raise NotSent(str(refused)) from refused

    async def _connect(self, port: int) -> None:
        async with asyncio.timeout(self._max_seconds):
            _, self._wire = await asyncio.get_running_loop().create_connection(_Wire, self._host, port)

    async def request(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and return its answer; `body` is encoded as JSON unless it is bytes."""
        await self.connect()
        assert self._wire is not None
        try:
            async with asyncio.timeout(self._max_seconds):
                return await self._wire.exchange(_request(method, target, body, token, headers or {}))
        except TimeoutError:
            self.close()
            raise NoResponse(f"no answer within {self._max_seconds:.0f} s") from None

    def close(self) -> None:
        """End the connection; repeating is fine."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _request(method: str, target: str, body: object, token: str | None, headers: Mapping[str, str]) -> bytes:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", "host: oracle"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class _Wire(asyncio.Protocol):
    """A connection while it lasts."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def exchange(self, request: bytes) -> Response:
        assert self._answer is None or self._answer.done()
        assert self._transport is not None
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        head, body = self._received[:end], self._received[end + 4 :]
        status = int(head[9:12])
        found = None if status in _EMPTY else _LENGTH.search(head)
        if len(body) >= (int(found[1]) if found else 0):
            self._settle(head, status, body)

    def _settle(self, head: bytes, status: int, body: bytes) -> None:
        assert self._answer is not None
        if _CHUNKED.search(head):
            self._answer.set_exception(ValueError("a chunked answer: this client does not read those"))
            self.close()
            return
        self._answer.set_result(Response(status, head, body))
        if _LAST.search(head):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoResponse("the connection ended"))

    def close(self) -> None:
        self.lost = True
        if self._transport is not None:
            self._transport.abort()
