"""X, once Twitter. The name stays `twitter`, in configuration and in every count; `x` is understood.

Limit: 280 weighted characters, a URL is 23, an emoji or CJK sign 2 (docs.x.com, counting characters).
"""

from __future__ import annotations

from sharetally.adapters.platforms._intent import query
from sharetally.ports import Platform

ALIASES = ("x",)


class Twitter(Platform):
    """Text and link have a field each."""

    name = "twitter"
    label = "X"
    text_limit = 280
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """The composer."""
        return f"https://x.com/intent/tweet?{query(text=text, url=url)}"
