"""Copying the link to the user's clipboard; nobody can tell where the user pastes it.

It is a platform of its own, needs no permission in the settings, and is never in the default list.
"""

from __future__ import annotations

from sharetally.ports import Platform


class Copy(Platform):
    """The front end copies the link and then declares the share."""

    name = "copy"
    label = "Copy link"
    text_limit = None

    def intent(self, *, url: str, text: str) -> None:
        """None, because there is no page to open."""
        return
