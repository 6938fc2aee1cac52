"""Where the flow reports what it does. An adapter turns these calls into metrics; the flow knows no metrics library."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Where the flow counts what it does; never raises, costs next to nothing."""

    def shares(self, platform: str, mode: str, status: str, count: int = 1) -> None:
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

    def reaction_error(self, reaction: str) -> None:
        """A reaction that failed and was switched off."""
        ...

    def job(self, job: str, outcome: str, seconds: float, count: int = 1) -> None:
        """Jobs handled: `counted`, `duplicate`, `parked`, `failed`; `seconds` of each."""
        ...
