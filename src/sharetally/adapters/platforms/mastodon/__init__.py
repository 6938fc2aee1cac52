"""Mastodon: many servers, each with a share page; an intent opens the page of one of them.

Limit: 500 characters, unless the server has configured another (see its `/api/v2/instance`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sharetally.adapters.platforms._intent import query, text_and_url
from sharetally.ports import Platform


@dataclass(frozen=True, kw_only=True)
class Mastodon(Platform):
    """One field takes the text and the link; `instance` is the host whose page is opened."""

    instance: str = "mastodon.social"

    name = "mastodon"
    label = "Mastodon"
    text_limit = 500

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the composer; users of another server sign in there."""
        return f"https://{self.instance}/share?{query(text=text_and_url(text, url))}"
