"""A copy of the link in the user's clipboard: where it goes from there nobody can tell.

It is a platform of its own and never in the default list; nor does it need to be allowed.
"""

from __future__ import annotations

from sharetally.ports import Platform


class Copy(Platform):
    """Done by the front end, then declared."""

    name = "copy"
    label = "Copy link"
    text_limit = None
    server_post = False

    def intent(self, *, url: str, text: str) -> None:
        """None: there is no page to open."""
        return
