"""Telegram: a chat, chosen by the user, with a message ready to send.

Limit: 4,096 characters a message (core.telegram.org, sendMessage).
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Telegram(Platform):
    """Link and text have a field each; the link stands first in the message."""

    name = "telegram"
    label = "Telegram"
    text_limit = 4_096
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """The choice of a chat, the message in hand."""
        return f"https://t.me/share/url?{query(url=url, text=text)}"
