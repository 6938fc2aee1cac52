"""Mastodon: many servers, each with a share page; an intent opens the page of one of them.

Limit: 500 characters, unless the server has configured another (see its `/api/v2/instance`).

    https://mastodon.social/share?text=TEXT%20URL
"""

from __future__ import annotations

from dataclasses import dataclass

from sharetally.adapters.platforms._intent import SharePage


@dataclass(frozen=True, kw_only=True)
class Mastodon(SharePage):
    """One field takes the text and the link; `instance` is the host whose page is opened."""

    instance: str = "mastodon.social"

    name = "mastodon"
    label = "Mastodon"
    text_limit = 500
    page = "https://{i}/share?"
    fields = "text=b"
    colour = "#5355d6"
    icon = (
        "M20 12c0 3-2 4.5-5 4.7-1.5.1-4 0-5-.4 0 2.5 3.5 2.7 6 2-2 1.7-9 2.3-10.5-1.8C4.7 14 4 11 4.3 8 4.7"
        " 4.7 7 4 12 4s8 .8 8 5zM8 13V9.5a2 2 0 0 1 4 0V12 9.5a2 2 0 0 1 4 0V13"
    )

    def intent(self, *, url: str, text: str) -> str:
        """The URL of the composer; users of another server sign in there."""
        return super().intent(url=url, text=text).replace("{i}", self.instance, 1)
