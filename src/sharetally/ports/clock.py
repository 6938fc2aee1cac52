"""The time that the application stamps on what it writes, as close to the database's clock as it gets."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time, as the database sees it, without asking it each time."""

    def now(self) -> datetime:
        """UTC, to the microsecond."""
        ...
