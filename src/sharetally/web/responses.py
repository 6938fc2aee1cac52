"""What goes back: a status, headers and bytes, ready before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from starlette.types import Receive, Send

JSON = ("content-type", "application/json")
NOSNIFF = (b"x-content-type-options", b"nosniff")  # on every answer: what it is called is what it is
LAST_WRITE_SECONDS = 5.0
_encode = msgspec.json.Encoder().encode


class Response(NamedTuple):
    """A whole answer; header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def json_response(status: int, value: object, *headers: tuple[str, str]) -> Response:
    """A JSON answer; times are written in RFC 3339, UTC."""
    return Response(status=status, headers=(JSON, *headers), body=_encode(value))


def no_content() -> Response:
    """204."""
    return Response(status=204)


def document_response(body: bytes | str, media_type: str, *headers: tuple[str, str]) -> Response:
    """A document for people or tools."""
    raw = body.encode() if isinstance(body, str) else body
    return Response(status=200, headers=(("content-type", media_type), *headers), body=raw)


WriteChunk = Callable[[bytes], Awaitable[None]]


class StreamingResponse(NamedTuple):
    """An answer that is made while it is sent: `write` gets what says whether the client left, and what sends."""

    status: int
    headers: tuple[tuple[str, str], ...]
    write: Callable[[Receive, WriteChunk], Awaitable[None]]


async def send_response(response: Response | StreamingResponse, receive: Receive, send: Send, *, is_head: bool) -> None:
    """Send the response; to HEAD without its body. A streaming client that does not read the end is cut off."""
    headers = [*((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers), NOSNIFF]
    if isinstance(response, Response):
        if response.status not in (204, 304):
            headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        return await send({"type": "http.response.body", "body": b"" if is_head else response.body})
    await send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def write(part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})

    if not is_head:
        await response.write(receive, write)
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WRITE_SECONDS):
            await send({"type": "http.response.body", "body": b""})
