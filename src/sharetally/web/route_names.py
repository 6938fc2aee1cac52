"""What a request's address is called: the path of its endpoint, for whoever names requests by it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Scope

from sharetally.domain.errors import Rejected
from sharetally.web.endpoint import Endpoint
from sharetally.web.paths import decode_segments, mounted_paths, raw_path
from sharetally.web.router import Router


class RouteNames:
    """The paths of these endpoints below `root_path`."""

    def __init__(self, endpoints: Sequence[Endpoint], *, root_path: str) -> None:
        self._router = Router(endpoints)
        self._root_path = root_path

    def __call__(self, scope: Scope) -> str | None:
        """As in `/videos/{videoId}/share`; None for a path that leads nowhere."""
        matches = (
            self._endpoint_path(scope["method"], path)
            for path in mounted_paths(raw_path(scope), scope.get("root_path", ""), self._root_path)
        )
        return next((path for path in matches if path is not None), None)

    def _endpoint_path(self, method: str, path: str) -> str | None:
        try:
            endpoint, _ = self._router.find(method, decode_segments(path))
        except Rejected:
            return None
        return endpoint.path
