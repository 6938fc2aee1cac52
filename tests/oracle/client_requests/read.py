"""Reading while others write: one's own status and the exact count, at once; the plain count, never backwards.

A read holds its answer against `Bounds`: what was answered before it began must show, what overlaps it may.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.oracle.bounds import Bounds, ReadBounds
from tests.oracle.client import Response
from tests.oracle.client_requests.client_request import Operation, content_path, status_fault
from tests.oracle.expected import Content, Expected


class ReadOperation(Operation):
    """A request that changes nothing."""

    @abstractmethod
    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Response], str | None]:
        """Called before it is sent; what it returns says how the answer departs from the contract."""


class Status(ReadOperation):
    """GET …/share-status: everybody's live shares on each platform, and whether mine is one."""

    name = "status"

    def __init__(self, expected: Expected, *, user: str, content: Content, platforms: Sequence[str]) -> None:
        super().__init__(user=user, method="GET", target=f"/content/{content_path(content)}/share-status")
        self._content = content
        self._platforms = tuple(platforms)
        self.keys = frozenset((content, platform, user) for platform in platforms)
        self._mine = [expected.live((content, platform, user)) for platform in platforms]

    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Response], str | None]:
        looks = [stack.enter_context(bounds.read_bounds((self._content, platform))) for platform in self._platforms]
        return lambda response: status_fault(response, 200) or self._fault(response, looks)

    def _fault(self, response: Response, looks: Sequence[ReadBounds]) -> str | None:
        found = response.json()["platforms"]
        if [each["platform"] for each in found] != list(self._platforms):
            return f"platforms {self._platforms} expected, answered {response}"
        for each, mine, look in zip(found, self._mine, looks, strict=True):
            if each["sharedByMe"] != mine or not look.allows(each["shareCount"]):
                return f"{each['platform']}: mine {mine}, {look} expected, answered {response}"
        return None


class Exact(ReadOperation):
    """GET …?consistent=true."""

    name = "exact count"

    def __init__(self, *, user: str, content: Content) -> None:
        target = f"/share-links/count/{content_path(content)}?consistent=true"
        super().__init__(user=user, method="GET", target=target)
        self._content = content

    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Response], str | None]:
        look = stack.enter_context(bounds.read_bounds(self._content))
        return lambda response: status_fault(response, 200) or self._fault(response, look)

    def _fault(self, response: Response, look: ReadBounds) -> str | None:
        return None if look.allows(response.json()["shareCount"]) else f"{look} expected, answered {response}"


class Plain(ReadOperation):
    """GET of a count; `versions` holds the newest that this reader has seen."""

    name = "count"

    def __init__(self, *, user: str, content: Content, versions: dict[Content, int]) -> None:
        super().__init__(user=user, method="GET", target=f"/share-links/count/{content_path(content)}")
        self._content = content
        self._versions = versions

    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Response], str | None]:
        return lambda response: status_fault(response, 200) or self._fault(response)

    def _fault(self, response: Response) -> str | None:
        version, seen = response.json()["version"], self._versions.get(self._content, 0)
        self._versions[self._content] = max(version, seen)
        return None if version >= seen else f"version {seen} was seen before, answered {response}"
