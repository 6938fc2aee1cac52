"""The path as it came, decoded strictly, piece by piece.

A server decodes `%2F` to a slash and bad UTF-8 to a question mark before anybody can object; ids are
compared exactly, so here the raw bytes decide: what is not UTF-8, holds a control character or a
slash, or is `.` or `..`, is refused.
"""

from __future__ import annotations

from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.types import Scope

from sharetally.domain.content import text_fault
from sharetally.domain.errors import InvalidRequest


def base_path(scope: Scope, root_path: str) -> str:
    """What stands before every path of ours, as the world sees it: ROOT_PATH, else where a host mounted us."""
    return root_path or quote(scope.get("root_path", ""), safe="/~!$&'()*+,;=:@")


def raw_path(scope: Scope) -> bytes | str:
    """The path as it came; where the server keeps no such thing, the text that it made of it."""
    raw: bytes = scope.get("raw_path") or b""
    return raw or str(scope["path"])


def mounted_paths(encoded_path: bytes | str, mount_path: str, root_path: str) -> tuple[str, ...]:
    """How the path below this application may be read, still encoded, the likelier way first.

    `encoded_path` comes from `raw_path`; a host application that mounts us leaves `mount_path` in it. Some proxies take
    ROOT_PATH off and some do not, and it may itself look like a path of ours (`/s`).
    """
    full_path = (
        encoded_path.decode("latin-1").partition("?")[0] if isinstance(encoded_path, bytes) else quote(encoded_path)
    )
    path = _strip_prefix(full_path, mount_path) or full_path
    stripped = _strip_prefix(path, root_path)
    return (path,) if stripped is None else (stripped, path)


def _strip_prefix(path: str, prefix: str) -> str | None:
    """The path without the prefix (decoded, as hosts tell it), or None where it does not stand there."""
    depth = prefix.count("/") + 1
    segments = path.split("/")
    if not prefix or unquote("/".join(segments[:depth])) != prefix:
        return None
    return "/" + "/".join(segments[depth:])


def decode_segments(path: str) -> tuple[str, ...]:
    """The pieces between the slashes, decoded; `InvalidRequest` for one that could never be an id."""
    return tuple(
        segment if segment.isalnum() and segment.isascii() else _decode_segment(segment)
        for segment in path.split("/")[1:]
    )


def _decode_segment(segment: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(("path", "must be UTF-8, percent-encoded")) from None
    if "/" in text or text in (".", ".."):
        raise InvalidRequest(("path", "a part of it must not contain '/' nor be '.' or '..'"))
    if fault := text_fault(text):
        raise InvalidRequest(("path", fault))
    return text
