"""X, formerly Twitter. Settings and counts keep the name `twitter`; `x` is an alias.

Limit: 280 weighted characters; a URL weighs 23, an emoji or a CJK character 2 (docs.x.com, counting characters).

    https://x.com/intent/tweet?text=TEXT&url=URL
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform

ALIASES = ("x",)


class Twitter(Platform):
    """The text and the link have a field each."""

    name = "twitter"
    label = "X"
    text_limit = 280

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the composer."""
        return f"https://x.com/intent/tweet?{query(text=text, url=url)}"
