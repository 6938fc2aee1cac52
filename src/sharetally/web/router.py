"""From path pieces to an endpoint: a tree in which a fixed piece comes before a parameter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sharetally.domain.errors import MethodNotAllowed, NotFound
from sharetally.web.endpoint import Endpoint


@dataclass(kw_only=True, slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    methods: dict[str, tuple[Endpoint, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """Every endpoint, findable by its path."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self._add(endpoint)

    def _add(self, endpoint: Endpoint) -> None:
        node, names = self._root, list[str]()
        for segment in endpoint.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.methods[endpoint.method] = (endpoint, tuple(names))
        if endpoint.method == "GET":
            node.methods.setdefault("HEAD", (endpoint, tuple(names)))

    def find(self, method: str, segments: Sequence[str]) -> tuple[Endpoint, Mapping[str, str]]:
        """The endpoint and its path parameters; `NotFound` or `MethodNotAllowed`."""
        node, values = self._root, list[str]()
        for segment in segments:
            child = node.fixed.get(segment)
            if child is None and segment:  # nothing between two slashes is nobody's id
                child = node.parameter
                values.append(segment)
            if child is None:
                raise NotFound("no such path")
            node = child
        if not node.methods:
            raise NotFound("no such path")
        entry = node.methods.get(method)
        if entry is None:
            raise MethodNotAllowed(sorted(node.methods))
        endpoint, names = entry
        return endpoint, dict(zip(names, values, strict=True))
