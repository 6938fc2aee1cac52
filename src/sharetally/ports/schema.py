"""The schema of the database."""

from __future__ import annotations

from typing import Protocol


class Schema(Protocol):
    """Which schema the database has; migrations change it."""

    async def revision(self) -> str | None:
        """The revision of the schema, None before the first migration; `Unavailable` if the database is away."""
        ...
