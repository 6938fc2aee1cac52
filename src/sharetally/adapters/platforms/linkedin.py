"""LinkedIn: its share page takes a link and nothing else.

What the user says beside it they write themselves. Limit: 3,000 characters.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class LinkedIn(Platform):
    """The link alone."""

    name = "linkedin"
    label = "LinkedIn"
    text_limit = 3_000
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """The share page, which has no field for `text`."""
        return f"https://www.linkedin.com/sharing/share-offsite/?{query(url=url)}"
