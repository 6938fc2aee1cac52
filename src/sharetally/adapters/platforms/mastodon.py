"""Mastodon: many servers, and a share page on each; a link leads to one of them.

Limit: 500 characters where the server has not set another (`/api/v2/instance` tells).
"""

from __future__ import annotations

from dataclasses import dataclass

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


@dataclass(frozen=True, kw_only=True)
class Mastodon(Platform):
    """One field for text and link; `instance` is the host whose page is opened."""

    instance: str = "mastodon.social"

    name = "mastodon"
    label = "Mastodon"
    text_limit = 500
    server_post = False

    def intent(self, *, url: str, text: str) -> str:
        """The instance's composer; who is at home elsewhere signs in there."""
        return f"https://{self.instance}/share?{query(text=text_and_url(text, url))}"
