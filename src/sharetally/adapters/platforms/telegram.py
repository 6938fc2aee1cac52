"""Telegram: a chat that the user chooses, with a message ready to send.

Limit: 4,096 characters per message (core.telegram.org, sendMessage).
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Telegram(Platform):
    """The link and the text have a field each; the message begins with the link."""

    name = "telegram"
    label = "Telegram"
    text_limit = 4_096

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the page on which the user chooses a chat."""
        return f"https://t.me/share/url?{query(url=url, text=text)}"
