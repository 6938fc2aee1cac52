"""The platform itself. Matrix has no share page, so there is nothing to open: `shareUrl` is the link."""

from __future__ import annotations


class Matrix:
    """Rooms on any homeserver."""

    name = "matrix"
    label = "Matrix"
    text_limit = None  # a message is limited by its bytes, and far beyond what anybody writes
    server_post = False

    def intent(self, *, url: str, text: str) -> None:
        """None: there is no page that takes a link and a text."""
