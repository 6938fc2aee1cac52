"""Facebook: its sharer takes a link and nothing else.

What the user says beside it they write themselves. Limit: 63,206 characters.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Facebook(Platform):
    """The link alone."""

    name = "facebook"
    label = "Facebook"
    text_limit = 63_206
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """The sharer, which has no field for `text`."""
        return f"https://www.facebook.com/sharer/sharer.php?{query(u=url)}"
