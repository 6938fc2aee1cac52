"""Where the flow reports what it does. An adapter turns these calls into metrics; the flow knows no metrics library."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts what the flow does. A call never raises and costs almost nothing."""

    def shares(self, platform: str, mode: str, status: str, count: int = 1) -> None:
        """Answered share requests, by platform, mode and resulting status."""
        ...

    def share_error(self, platform: str, reason: str) -> None:
        """A share request that was refused or failed; `platform` is empty if it is unknown."""
        ...

    def batch(self, size: int) -> None:
        """The number of commands in one commit."""
        ...

    def statement(self, name: str, seconds: float) -> None:
        """The seconds that one step took in the database: lock, write, commit, take, move, …"""
        ...

    def delivery(self, kind: str, seconds: float) -> None:
        """The seconds of one attempt to deliver something to the outside."""
        ...

    def reaction_error(self, reaction: str) -> None:
        """A reaction that failed and was switched off."""
        ...

    def job(self, job: str, outcome: str, seconds: float, count: int = 1) -> None:
        """Processed jobs; `outcome` is `counted`, `duplicate`, `parked` or `failed`, `seconds` is the time of each."""
        ...
