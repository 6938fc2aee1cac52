"""Whether what was committed survives a crash of the database server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Durability(Protocol):
    """Reads the server's own settings."""

    async def weak_settings(self) -> Mapping[str, str]:
        """The settings, with their values, under which a crash may lose what was committed; `Unavailable`."""
        ...
