"""The two shapes of a client's request. Both know their request and check the answer against the contract.

No operation concerns rows (`keys`) whose state is uncertain. A `WriteOperation` also knows how it changes which sum
(`deltas`), and enters itself into what is expected once it is known to have happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from urllib.parse import quote

from tests.oracle.client import Response
from tests.oracle.expected import Content, Expected


class Operation(ABC):
    """A request of one user; `name` is what it is counted under, `keys` are the user's rows that it is about."""

    name: str
    keys: frozenset[Hashable] = frozenset()

    def __init__(self, *, user: str, method: str, target: str, body: object = None) -> None:
        self.user = user
        self.method = method
        self.target = target
        self.body = body

    def __str__(self) -> str:
        return f"{self.name} by {self.user!r}: {self.method} {self.target} {self.body or ''}"


class WriteOperation(Operation):
    """A request that may change something."""

    deltas: Mapping[Hashable, int] = {}

    @abstractmethod
    def fault(self, response: Response) -> str | None:
        """How the answer departs from the contract."""

    @abstractmethod
    def apply(self, expected: Expected, subject: str) -> None:
        """It was done; `subject` is the id of the link it made, if that is what it does."""

    def subject(self, response: Response) -> str:
        """The id of what the answer says was made."""
        return ""


def content_path(content: Content) -> str:
    """A content in a path, percent-encoded."""
    return f"{content[0]}/{quote(content[1], safe='')}"


def content_fields(content: Content) -> dict[str, str]:
    """A content in a body."""
    return {"contentType": content[0], "contentId": content[1]}


def status_fault(response: Response, status: int) -> str | None:
    """Another status than this one."""
    return None if response.status == status else f"{status} expected, answered {response}"
