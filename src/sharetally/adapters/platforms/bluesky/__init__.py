"""Bluesky: its composer turns a URL in the text into a link.

Limit: 300 graphemes and 3,000 bytes (lexicon app.bsky.feed.post).

    https://bsky.app/intent/compose?text=TEXT%20URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Bluesky(SharePage):
    """One field takes the text and the link."""

    name = "bluesky"
    label = "Bluesky"
    text_limit = 300
    page = "https://bsky.app/intent/compose?"
    fields = "text=b"
    colour = "#1668d9"
    icon = (
        "M12 11C10.5 8 7 4.5 4.5 4.5c-1.5 0-1 5 .3 6.7 1 1.3 2.4 1.6 3.7 1.6-2.5.5-3.5 2.2-1.8 4.2 2 2.3"
        " 4.3.5 5.3-2.5 1 3 3.3 4.8 5.3 2.5 1.7-2 .7-3.7-1.8-4.2 1.3 0 2.7-.3 3.7-1.6 1.3-1.7 1.8-6.7.3-6.7"
        "C17 4.5 13.5 8 12 11z"
    )
