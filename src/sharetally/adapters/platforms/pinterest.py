"""Pinterest: a pin of a picture from the page; without the field `media` the user chooses the picture.

Limit: 500 characters, the limit of a description.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Pinterest(Platform):
    """The text becomes the description."""

    name = "pinterest"
    label = "Pinterest"
    text_limit = 500

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the page that creates a pin."""
        return f"https://www.pinterest.com/pin/create/button/?{query(url=url, description=text)}"
