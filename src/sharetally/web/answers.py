"""What goes back: a status, headers and bytes, ready before anything is sent."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

JSON = ("content-type", "application/json")
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
