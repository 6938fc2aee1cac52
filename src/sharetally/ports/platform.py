"""A platform that people share to: its name, its limits and the address of its own share page."""

from __future__ import annotations

from typing import Protocol


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

    def intent(self, *, url: str, text: str) -> str | None:
        """The platform's own share page, everything percent-encoded; None where there is none."""
        ...
