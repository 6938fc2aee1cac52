"""The path as it came, decoded strictly, piece by piece.

A server decodes `%2F` to a slash and bad UTF-8 to a question mark before anybody can object; ids are
compared exactly, so here the raw bytes decide: what is not UTF-8, holds a control character or a
slash, or is `.` or `..`, is refused.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from starlette.types import Scope

from sharetally.domain.content import text_fault
from sharetally.domain.errors import InvalidRequest


def raw_path(scope: Scope, root_path: str) -> str:
    """The path below this application, still encoded."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"])
    for prefix in (scope.get("root_path", ""), root_path):
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            path = path[len(prefix) :]
    return path or "/"


def segments(path: str) -> tuple[str, ...]:
    """The pieces between the slashes, decoded; `InvalidRequest` for one that could never be an id."""
    return tuple(piece if piece.isalnum() and piece.isascii() else _decoded(piece) for piece in path.split("/")[1:])


def _decoded(piece: str) -> str:
    try:
        text = unquote_to_bytes(piece).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(("path", "must be UTF-8, percent-encoded")) from None
    if "/" in text or text in (".", ".."):
        raise InvalidRequest(("path", "a part of it must not contain '/' nor be '.' or '..'"))
    if fault := text_fault(text):
        raise InvalidRequest(("path", fault))
    return text
