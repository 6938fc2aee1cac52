"""How a role learns that it should end: it finishes what it has in hand, then returns."""

from __future__ import annotations

from typing import Protocol


class Stop(Protocol):
    """Says when a role should end."""

    def is_set(self) -> bool:
        """Whether to end."""
        ...

    async def wait(self) -> object:
        """Return when it is time to end."""
        ...
