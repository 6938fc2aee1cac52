"""Facebook: its share dialog accepts a link and nothing else.

The user writes any text there. Limit: 63,206 characters.

    https://www.facebook.com/sharer/sharer.php?u=URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Facebook(Platform):
    """Takes only the link."""

    name = "facebook"
    label = "Facebook"
    text_limit = 63_206

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the share dialog, which has no field for `text`."""
        return f"https://www.facebook.com/sharer/sharer.php?{query(u=url)}"
