"""Names requests by the path of their endpoint, for traces."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from starlette.types import Scope

from sharetally.domain.errors import Rejected
from sharetally.web.endpoint import AnyEndpoint
from sharetally.web.routing import Router, decode_segments, mounted_paths, raw_path


class RouteNames:
    """Names a request by the path of its endpoint, for traces."""

    def __init__(self, endpoints: Sequence[AnyEndpoint], *, root_path: str) -> None:
        self._router = Router(endpoints)
        self._root_path = root_path

    def __call__(self, scope: Scope) -> str | None:
        """As in `/videos/{videoId}/share`; None for a path that leads nowhere."""
        for path in mounted_paths(raw_path(scope), scope.get("root_path", ""), self._root_path):
            with suppress(Rejected):
                endpoint, _ = self._router.find(scope["method"], decode_segments(path))
                return endpoint.path
        return None
