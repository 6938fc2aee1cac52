"""The share sheet of the user's own system: it opens on the device, so there is no page to link to.

It does not say where the user shared, so this is a platform of its own and never in the
default list; nor does it need to be allowed.
"""

from __future__ import annotations

from sharetally.ports import Platform


class Native(Platform):
    """Opened by the front end (Web Share API), then declared."""

    name = "native"
    label = "Share sheet"
    text_limit = None
    server_post = False

    def intent(self, *, url: str, text: str) -> None:
        """None: only the device can open it."""
        return
