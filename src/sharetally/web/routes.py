"""What a request's address is called: the path of its endpoint, for whoever names requests by it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Scope

from sharetally.domain.errors import Refused
from sharetally.web.endpoint import Endpoint
from sharetally.web.paths import segments, told, ways
from sharetally.web.router import Router


class Routes:
    """The paths of these endpoints below `root_path`."""

    def __init__(self, endpoints: Sequence[Endpoint], *, root_path: str) -> None:
        self._router = Router(endpoints)
        self._root_path = root_path

    def __call__(self, scope: Scope) -> str | None:
        """As in `/videos/{videoId}/share`; None for a path that leads nowhere."""
        found = (
            self._found(scope["method"], path)
            for path in ways(told(scope), scope.get("root_path", ""), self._root_path)
        )
        return next((path for path in found if path is not None), None)

    def _found(self, method: str, path: str) -> str | None:
        try:
            endpoint, _ = self._router.find(method, segments(path))
        except Refused:
            return None
        return endpoint.path
