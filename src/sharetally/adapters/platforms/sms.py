"""SMS: a message in the telephone's own program, to whom the user likes.

`?&body=` is read by both iOS, which wants `&`, and Android, which wants `?`. A long text is sent in parts.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


class Sms(Platform):
    """One field for text and link."""

    name = "sms"
    label = "SMS"
    text_limit = None
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """A new message."""
        return f"sms:?&{query(body=text_and_url(text, url))}"
