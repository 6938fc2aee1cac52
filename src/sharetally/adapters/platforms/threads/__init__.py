"""Threads: a text and a link, which is shown as a card.

Limit: 500 characters (developers.facebook.com, Threads).
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Threads(Platform):
    """The text and the link have a field each."""

    name = "threads"
    label = "Threads"
    text_limit = 500

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the composer."""
        return f"https://www.threads.com/intent/post?{query(text=text, url=url)}"
