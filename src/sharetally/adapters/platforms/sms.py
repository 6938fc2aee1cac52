"""SMS: a message in the phone's own program; the user chooses the recipients.

Both iOS, which expects `&`, and Android, which expects `?`, understand `?&body=`. A long text is sent in parts.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


class Sms(Platform):
    """One field takes the text and the link."""

    name = "sms"
    label = "SMS"
    text_limit = None

    def intent(self, *, url: str, text: str) -> str:
        """The URL that opens a new message."""
        return f"sms:?&{query(body=text_and_url(text, url))}"
