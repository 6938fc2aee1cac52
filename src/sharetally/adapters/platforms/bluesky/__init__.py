"""Bluesky: its composer turns a URL in the text into a link.

Limit: 300 graphemes and 3,000 bytes (lexicon app.bsky.feed.post).
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


class Bluesky(Platform):
    """One field takes the text and the link."""

    name = "bluesky"
    label = "Bluesky"
    text_limit = 300

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the composer."""
        return f"https://bsky.app/intent/compose?{query(text=text_and_url(text, url))}"
