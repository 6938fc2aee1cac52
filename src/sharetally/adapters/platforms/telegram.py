"""Telegram: a chat that the user chooses, with a message ready to send.

Limit: 4,096 characters per message (core.telegram.org, sendMessage).

    https://t.me/share/url?url=URL&text=TEXT
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import SharePage


class Telegram(SharePage):
    """The link and the text have a field each; the message begins with the link."""

    name = "telegram"
    label = "Telegram"
    text_limit = 4_096
    page = "https://t.me/share/url?"
    fields = "url=u&text=t"
    colour = "#15749f"
    icon = "M21 4L3 11l6 2.5L18 7l-6.5 8 6 4.5zM9 13.5V19.5l3-3.5"
