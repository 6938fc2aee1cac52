"""LinkedIn: its share page accepts a link and nothing else.

The user writes any text there. Limit: 3,000 characters.

    https://www.linkedin.com/sharing/share-offsite/?url=URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class LinkedIn(Platform):
    """Takes only the link."""

    name = "linkedin"
    label = "LinkedIn"
    text_limit = 3_000

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the share page, which has no field for `text`."""
        return f"https://www.linkedin.com/sharing/share-offsite/?{query(url=url)}"
