"""What goes back: a status, headers and bytes, ready before anything is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from starlette.types import Receive

JSON = ("content-type", "application/json")
NOSNIFF = (b"x-content-type-options", b"nosniff")  # on every answer: what it is called is what it is
_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """A whole answer; header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def json_answer(status: int, value: object, *headers: tuple[str, str]) -> Answer:
    """A JSON answer; times are written in RFC 3339, UTC."""
    return Answer(status=status, headers=(JSON, *headers), body=_encode(value))


def no_content() -> Answer:
    """204."""
    return Answer(status=204)


def page(body: bytes | str, media_type: str, *headers: tuple[str, str]) -> Answer:
    """A document for people or tools."""
    raw = body.encode() if isinstance(body, str) else body
    return Answer(status=200, headers=(("content-type", media_type), *headers), body=raw)


Write = Callable[[bytes], Awaitable[None]]


class Streamed(NamedTuple):
    """An answer that is made while it is sent: `write` gets what says whether the client left, and what sends."""

    status: int
    headers: tuple[tuple[str, str], ...]
    write: Callable[[Receive, Write], Awaitable[None]]
