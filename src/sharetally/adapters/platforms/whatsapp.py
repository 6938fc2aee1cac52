"""WhatsApp: a chat that the user chooses, with a message ready to send.

No API posts there on behalf of a user: the business API only writes to people who opted in. No limit is published.

    https://wa.me/?text=TEXT%20URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


class WhatsApp(Platform):
    """One field takes the text and the link."""

    name = "whatsapp"
    label = "WhatsApp"
    text_limit = None

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the page on which the user chooses a chat."""
        return f"https://wa.me/?{query(text=text_and_url(text, url))}"
