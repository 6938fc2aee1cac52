"""A platform in one file: three constants and the address of its share page."""

from __future__ import annotations

from urllib.parse import quote


class Intranet:
    """Our intranet's share page takes a link and a text."""

    name = "intranet"
    label = "Our intranet"
    text_limit = 500

    def intent(self, *, url: str, text: str) -> str:
        """The address of the share page, with everything percent-encoded."""
        return f"https://intranet.example.com/share?u={quote(url, safe='')}&t={quote(text, safe='')}"
