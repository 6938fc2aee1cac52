"""WhatsApp: a chat, chosen by the user, with a message ready to send.

Nothing posts there as a user: the business interface writes to people who opted in. No limit is published.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


class WhatsApp(Platform):
    """One field for text and link."""

    name = "whatsapp"
    label = "WhatsApp"
    text_limit = None
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """The choice of a chat, the message in hand."""
        return f"https://wa.me/?{query(text=text_and_url(text, url))}"
