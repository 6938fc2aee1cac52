"""Threads: a text and a link, which is shown as a card.

Limit: 500 characters (developers.facebook.com, Threads).

    https://www.threads.com/intent/post?text=TEXT&url=URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Threads(SharePage):
    """The text and the link have a field each."""

    name = "threads"
    label = "Threads"
    text_limit = 500
    page = "https://www.threads.com/intent/post?"
    fields = "text=t&url=u"
    colour = "#3d4149"
    icon = "M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0v1.5a2.5 2.5 0 0 0 5 0V12a9 9 0 1 0-4 7.5"
