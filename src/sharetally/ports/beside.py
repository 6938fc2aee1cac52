"""What stands beside the journey: cache, clock, platforms, metrics, and the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from sharetally.domain.content import ContentRef
from sharetally.domain.count import Count


class Cache(Protocol):
    """Counts by content. A fault or a slow answer is a miss, never an error."""

    async def get(self, contents: Sequence[ContentRef]) -> list[Count | None]:
        """What is cached, in the order asked."""
        ...

    async def put(self, counts: Iterable[Count]) -> None:
        """Store; a lower version never overwrites a higher one."""
        ...

    async def ping(self) -> bool:
        """Whether it answers."""
        ...

    async def open(self) -> None:
        """Connect; never fails because nobody answers."""
        ...

    async def close(self) -> None:
        """Leave; repeating is fine."""
        ...


class Clock(Protocol):
    """The time, as the database sees it, without asking it each time."""

    def now(self) -> datetime:
        """UTC, to the microsecond."""
        ...


class Platform(Protocol):
    """A place people share to."""

    @property
    def name(self) -> str:
        """Lower case, as in SHARE_PLATFORMS."""
        ...

    @property
    def label(self) -> str:
        """As people write it."""
        ...

    @property
    def text_limit(self) -> int | None:
        """Longest text in the platform's own measure, None where there is no known limit."""
        ...

    @property
    def server_post(self) -> bool:
        """Whether this version can post there on a user's behalf."""
        ...

    def intent(self, *, url: str, text: str) -> str | None:
        """The platform's own share page, everything percent-encoded; None where there is none."""
        ...


class Stop(Protocol):
    """Says when a role should end."""

    def is_set(self) -> bool:
        """Whether to end."""
        ...

    async def wait(self) -> object:
        """Return when it is time to end."""
        ...


class Meter(Protocol):
    """Where the flow counts what it does; never raises, costs next to nothing."""

    def shares(self, platform: str, mode: str, status: str, number: int = 1) -> None:
        """Answered share requests, by platform, mode and resulting status."""
        ...

    def share_error(self, platform: str, reason: str) -> None:
        """A share request that was refused or failed; `platform` is empty where it is not known."""
        ...

    def batch(self, size: int) -> None:
        """Wishes in one commit."""
        ...

    def statement(self, name: str, seconds: float) -> None:
        """Time in the database for one step: lock, write, commit, take, move, …"""
        ...

    def delivery(self, kind: str, seconds: float) -> None:
        """One attempt to deliver something outside."""
        ...

    def job(self, job: str, outcome: str, seconds: float, number: int = 1) -> None:
        """Jobs handled: `counted`, `duplicate`, `parked`, `failed`; `seconds` of each."""
        ...
