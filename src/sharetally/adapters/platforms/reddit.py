"""Reddit: a link with a title, in a community that the user chooses.

Limit: 300 characters, the limit of a title.
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform


class Reddit(Platform):
    """The text becomes the title."""

    name = "reddit"
    label = "Reddit"
    text_limit = 300

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the submission page."""
        return f"https://www.reddit.com/submit?{query(url=url, title=text)}"
