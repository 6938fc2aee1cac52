"""The share sheet of the user's own system: it opens on the device, so there is no page to link to.

It does not tell where the user shared. So it is a platform of its own, needs no permission in the settings, and is
never in the default list.
"""

from __future__ import annotations

from sharetally.ports import Platform


class Native(Platform):
    """The front end opens it (Web Share API) and then declares the share."""

    name = "native"
    label = "Share sheet"
    text_limit = None

    def intent(self, *, url: str, text: str) -> None:
        """None, because only the device can open it."""
        return
