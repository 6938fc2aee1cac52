"""From the raw path of a request to its endpoint.

A server decodes `%2F` to a slash and invalid UTF-8 to a replacement character before the application can object. Ids
are compared exactly, so the raw bytes decide here: a segment is refused if it is not UTF-8, contains a control
character or a slash, or is `.` or `..`.

The router is a tree in which a fixed segment takes precedence over a parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, unquote_to_bytes

from msgspec import Struct
from starlette.types import Scope

from sharetally.domain.content import text_fault
from sharetally.domain.errors import InvalidRequest, MethodNotAllowed, NotFound
from sharetally.web.endpoint import AnyEndpoint


@dataclass(kw_only=True, slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    methods: dict[str, AnyEndpoint] = field(default_factory=dict)


class Router:
    """Every endpoint, findable by its path."""

    def __init__(self, endpoints: Iterable[AnyEndpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            node, names = self._root, list[str]()
            for segment in endpoint.path.split("/")[1:]:
                if segment.startswith("{"):
                    names.append(segment.strip("{}"))
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.fixed.setdefault(segment, _Node())
            assert tuple(names) == endpoint.path_type.__struct_encode_fields__, f"{endpoint.path} has other parameters"
            node.methods[endpoint.method] = endpoint
            if endpoint.head:
                node.methods["HEAD"] = endpoint

    def find(self, method: str, segments: Sequence[str]) -> tuple[AnyEndpoint, Struct]:
        """The endpoint and the parameters of its path; `NotFound` or `MethodNotAllowed`."""
        node, values = self._root, list[str]()
        for segment in segments:
            child = node.fixed.get(segment)
            if child is None and segment:  # an empty segment is no id
                child = node.parameter
                values.append(segment)
            if child is None:
                raise NotFound("no such path")
            node = child
        if not node.methods:
            raise NotFound("no such path")
        endpoint = node.methods.get(method)
        if endpoint is None:
            raise MethodNotAllowed(sorted(node.methods))
        return endpoint, endpoint.path_type(*values)


def base_path(scope: Scope, root_path: str) -> str:
    """The prefix of all our paths as clients see it: ROOT_PATH, else the path where a host application mounted us."""
    mount_path: str = scope.get("root_path", "")
    return root_path if root_path or not mount_path else quote(mount_path, safe="/~!$&'()*+,;=:@")


def raw_path(scope: Scope) -> bytes | str:
    """The path as the client sent it; if the server does not keep that, the decoded text."""
    raw: bytes = scope.get("raw_path") or b""
    return raw or str(scope["path"])


def mounted_paths(encoded_path: bytes | str, mount_path: str, root_path: str) -> tuple[str, ...]:
    """The possible paths below this application, still encoded, the likelier one first.

    `encoded_path` comes from `raw_path`; a host application that mounts us leaves `mount_path` in it. Some proxies
    remove ROOT_PATH and some do not, and it may itself look like one of our paths (`/s`).
    """
    full_path = (
        encoded_path.decode("latin-1").partition("?")[0] if isinstance(encoded_path, bytes) else quote(encoded_path)
    )
    path = _strip_prefix(full_path, mount_path) or full_path
    stripped = _strip_prefix(path, root_path)
    return (path,) if stripped is None else (stripped, path)


def _strip_prefix(path: str, prefix: str) -> str | None:
    """The path without the prefix (decoded, as host applications pass it), or None if it does not start with it."""
    depth = prefix.count("/") + 1
    segments = path.split("/")
    if not prefix or unquote("/".join(segments[:depth])) != prefix:
        return None
    return "/" + "/".join(segments[depth:])


def decode_segments(path: str) -> tuple[str, ...]:
    """The decoded segments; `InvalidRequest` if one of them could never be an id."""
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
