"""Reading while others write: one's own status and the exact count, at once; the plain count, never backwards.

A read holds its answer against `Bounds`: what was answered before it began must show, what overlaps it may.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.oracle.bounds import Bounds, Look
from tests.oracle.client import Answer
from tests.oracle.expected import Content, Expected
from tests.oracle.wishes.wish import Wish, path_of, status_fault


class Read(Wish):
    """A wish that changes nothing."""

    @abstractmethod
    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Answer], str | None]:
        """Called before it is sent; what it returns says how the answer departs from the contract."""


class Status(Read):
    """GET …/share-status: everybody's live shares on each platform, and whether mine is one."""

    name = "status"

    def __init__(self, expected: Expected, *, user: str, content: Content, platforms: Sequence[str]) -> None:
        super().__init__(user=user, method="GET", target=f"/content/{path_of(content)}/share-status")
        self._content = content
        self._platforms = tuple(platforms)
        self.keys = frozenset((content, platform, user) for platform in platforms)
        self._mine = [expected.live((content, platform, user)) for platform in platforms]

    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Answer], str | None]:
        looks = [stack.enter_context(bounds.look((self._content, platform))) for platform in self._platforms]
        return lambda answer: status_fault(answer, 200) or self._fault(answer, looks)

    def _fault(self, answer: Answer, looks: Sequence[Look]) -> str | None:
        found = answer.json()["platforms"]
        if [each["platform"] for each in found] != list(self._platforms):
            return f"platforms {self._platforms} expected, answered {answer}"
        for each, mine, look in zip(found, self._mine, looks, strict=True):
            if each["sharedByMe"] != mine or not look.allows(each["shareCount"]):
                return f"{each['platform']}: mine {mine}, {look} expected, answered {answer}"
        return None


class Exact(Read):
    """GET …?consistent=true."""

    name = "exact count"

    def __init__(self, *, user: str, content: Content) -> None:
        target = f"/share-links/count/{path_of(content)}?consistent=true"
        super().__init__(user=user, method="GET", target=target)
        self._content = content

    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Answer], str | None]:
        look = stack.enter_context(bounds.look(self._content))
        return lambda answer: status_fault(answer, 200) or self._fault(answer, look)

    def _fault(self, answer: Answer, look: Look) -> str | None:
        return None if look.allows(answer.json()["shareCount"]) else f"{look} expected, answered {answer}"


class Plain(Read):
    """GET of a count; `versions` holds the newest that this reader has seen."""

    name = "count"

    def __init__(self, *, user: str, content: Content, versions: dict[Content, int]) -> None:
        super().__init__(user=user, method="GET", target=f"/share-links/count/{path_of(content)}")
        self._content = content
        self._versions = versions

    def begin(self, bounds: Bounds, stack: ExitStack) -> Callable[[Answer], str | None]:
        return lambda answer: status_fault(answer, 200) or self._fault(answer)

    def _fault(self, answer: Answer) -> str | None:
        version, seen = answer.json()["version"], self._versions.get(self._content, 0)
        self._versions[self._content] = max(version, seen)
        return None if version >= seen else f"version {seen} was seen before, answered {answer}"
